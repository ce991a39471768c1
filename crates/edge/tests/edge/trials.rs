//! New releases on trial, under traffic, asked for by the operator's socket.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use mainstay_edge::admin::{self, Ask, Reply, client};
use mainstay_edge::balance::Change;
use mainstay_edge::journal::Journal;
use mainstay_edge::trial::Conduct;

use crate::support::{Does, Edge, Upstream, quick, route, until};

/// An edge with an old release and a new one, and its operator's socket.
struct Stage {
    edge: Edge,
    upstreams: [Upstream; 2],
    folder: PathBuf,
}

impl Stage {
    async fn set(name: &str, new: Does) -> Self {
        let upstreams = [Upstream::start(Does::Answer(0)).await, Upstream::start(new).await];
        let edge = Edge::before(quick(), &[&upstreams[0]]).await;
        edge.add(&upstreams[1], "2").await;
        let folder = std::env::temp_dir().join(format!("edge-trial-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let journal = Arc::new(Journal::new(folder.join("edge.json")));
        let (shared, socket) = (Arc::clone(&edge.shared), folder.join("socket"));
        tokio::spawn(async move { admin::serve(shared, journal, &socket).await });
        let stage = Self { edge, upstreams, folder };
        until(|| stage.folder.join("socket").exists()).await;
        stage
    }

    async fn ask(&self, ask: Ask) -> Reply {
        let socket = self.folder.join("socket");
        tokio::task::spawn_blocking(move || client::ask(&socket, &ask)).await.expect("no panic").expect("an answer")
    }

    async fn attempt(&self, window_ms: u64, confirm_ms: u64) -> Reply {
        self.ask(trial(window_ms, confirm_ms)).await
    }

    fn share(&self, release: &str) -> u32 {
        self.edge.shared.balancer.services()["app"].shares.get(release).copied().unwrap_or(0)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn trial(window_ms: u64, confirm_ms: u64) -> Ask {
    let conduct = Conduct { window_ms, tolerated_permille: 10, confirm_ms };
    Ask::Try { releases: [("app".to_owned(), "2".to_owned())].into(), conduct }
}

/// Asks without end, and counts what failed.
struct Traffic {
    stop: Arc<AtomicBool>,
    failed: Arc<AtomicUsize>,
    all: Arc<AtomicUsize>,
}

impl Traffic {
    fn start(edge: &Edge) -> Self {
        let traffic = Self { stop: Arc::default(), failed: Arc::default(), all: Arc::default() };
        for _ in 0..4 {
            let address = edge.address;
            let (stop, failed, all) =
                (Arc::clone(&traffic.stop), Arc::clone(&traffic.failed), Arc::clone(&traffic.all));
            tokio::spawn(async move {
                let mut client = crate::support::Client::new(address).await;
                while !stop.load(Ordering::Relaxed) {
                    let request = hyper::Request::get("/").body(http_body_util::Full::default()).expect("a request");
                    let good = client.ask(request).await.is_ok_and(|answer| answer.status == 200);
                    let _ = all.fetch_add(1, Ordering::Relaxed);
                    let _ = failed.fetch_add(usize::from(!good), Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            });
        }
        traffic
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_release_is_taken_back_while_few_have_seen_it() {
    let stage = Stage::set("bad", Does::FailEveryThird).await;
    let traffic = Traffic::start(&stage.edge);
    let Reply::Refused { error } = stage.attempt(20_000, 1_000).await else { panic!("it must be taken back") };
    assert!(error.starts_with("release `2` of service `app` does worse: "), "{error}");
    assert_eq!((stage.share("1"), stage.share("2")), (1, 0));
    let (failed, all) = (traffic.failed.load(Ordering::Relaxed), traffic.all.load(Ordering::Relaxed));
    assert!((3..20).contains(&failed) && all > failed * 10, "{failed} of {all} requests failed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_good_release_has_all_requests_at_the_end_and_keeps_them_once_confirmed() {
    let stage = Stage::set("good", Does::Answer(1)).await;
    let traffic = Traffic::start(&stage.edge);
    assert_eq!(stage.attempt(400, 200).await, Reply::Done);
    assert!(stage.share("2") > 0 && stage.share("1") == 0);
    assert_eq!(stage.ask(Ask::Change { changes: vec![route("2")] }).await, Reply::Done);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!((stage.share("1"), stage.share("2")), (0, 1));
    assert_eq!(traffic.failed.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_confirms_goes_back() {
    let stage = Stage::set("unconfirmed", Does::Answer(0)).await;
    assert_eq!(stage.attempt(0, 100).await, Reply::Done);
    assert!(stage.share("2") > 0);
    until(|| stage.share("1") == 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_before_the_answer_gets_what_was_before() {
    use std::io::Write as _;
    let stage = Stage::set("left", Does::Answer(0)).await;
    let mut line = serde_json::to_vec(&trial(60_000, 60_000)).expect("JSON");
    line.push(b'\n');
    let mut socket = std::os::unix::net::UnixStream::connect(stage.folder.join("socket")).expect("a connection");
    socket.write_all(&line).expect("it is asked");
    until(|| stage.share("2") > 0).await;
    let Reply::Refused { error } = stage.attempt(0, 0).await else { panic!("one trial at a time") };
    assert!(error.contains("has a trial already"), "{error}");
    drop(socket);
    until(|| stage.share("2") == 0).await;
    assert_eq!(stage.share("1"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_lost_ends_the_trial() {
    let mut stage = Stage::set("lost", Does::Answer(0)).await;
    let socket = stage.folder.join("socket");
    let asked = tokio::task::spawn_blocking(move || client::ask(&socket, &trial(60_000, 1_000)));
    until(|| stage.share("2") > 0).await;
    stage.upstreams[1].kill().await;
    let reply = asked.await.expect("no panic").expect("an answer");
    let Reply::Refused { error } = reply else { panic!("it must be taken back") };
    assert!(error.contains("lost a target"), "{error}");
    assert_eq!((stage.share("1"), stage.share("2")), (1, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_retires_is_forgotten_once_it_is_empty() {
    let stage = Stage::set("retire", Does::Answer(0)).await;
    let keep: Vec<String> = vec![stage.upstreams[1].address.ip().to_string()];
    stage.edge.apply(&[Change::Route { service: "app".into(), shares: [("2".to_owned(), 1)].into(), force: false }]);
    let reply = stage.ask(Ask::Retire { service: "app".into(), keep, seconds: 5 }).await;
    assert_eq!(reply, Reply::Retired { left: 0 });
    assert_eq!(stage.edge.targets().len(), 1);
    assert_eq!(stage.edge.get("/").await.status, 200);
}
