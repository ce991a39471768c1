//! An edge takes over from another, under traffic: no connection is dropped, and a taker that dies gives the work back.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use tokio::task::JoinSet;

use crate::support::{Client, Does, Upstream};

/// A folder that several edges share, as a volume is shared, and the port that they serve on.
struct Place {
    folder: PathBuf,
    port: u16,
}

/// One edge.
struct Process {
    child: Child,
    socket: PathBuf,
}

impl Place {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("edge-handover-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|found| found.local_addr()).expect("a port");
        Self { folder, port: port.port() }
    }

    /// Starts an edge and waits until it is well.
    async fn start(&self, name: &str, threads: usize) -> Process {
        let process = self.spawn(name, threads);
        for _ in 0..1_000 {
            if process.ask(&["healthcheck"]).status.success() {
                return process;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("edge {name} is not well: {}", self.said(name));
    }

    fn spawn(&self, name: &str, threads: usize) -> Process {
        let socket = self.folder.join(format!("{name}.admin"));
        let child = Command::new(env!("CARGO_BIN_EXE_edge"))
            .args(["serve", "--listen", &format!("127.0.0.1:{}", self.port), "--threads", &threads.to_string()])
            .args(["--probe-interval", "100ms", "--stream-window", "100ms", "--client-connections", "10000"])
            .arg("--journal")
            .arg(self.folder.join("edge.json"))
            .arg("--handover")
            .arg(self.folder.join("handover.sock"))
            .arg("--socket")
            .arg(&socket)
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(self.folder.join(format!("{name}.err"))).expect("a file"))
            .spawn();
        Process { child: child.expect("it starts"), socket }
    }

    fn said(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(format!("{name}.err"))).unwrap_or_default()
    }

    fn address(&self) -> std::net::SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Process {
    fn ask(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_edge"));
        command.args(args).arg("--socket").arg(&self.socket).output().expect("it runs")
    }

    fn ok(&self, args: &[&str]) {
        let output = self.ask(args);
        assert!(output.status.success(), "edge {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// SIGTERM, and its end.
    async fn stop(mut self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").arg(&pid).status().expect("kill runs").success());
        for _ in 0..3_000 {
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                assert!(status.success(), "{status}");
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it does not end");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Clients that keep their connections, of which half write, and others that make a new one for each request.
struct Traffic {
    stop: Arc<AtomicBool>,
    posts: Arc<AtomicUsize>,
    all: Arc<AtomicUsize>,
    clients: JoinSet<Vec<String>>,
}

impl Traffic {
    fn start(address: std::net::SocketAddr) -> Self {
        let (stop, posts, all) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default(), Arc::default());
        let mut clients = JoinSet::new();
        for number in 0..6 {
            let (stop, posts, all): (_, _, Arc<AtomicUsize>) =
                (Arc::clone(&stop), Arc::clone(&posts), Arc::clone(&all));
            clients.spawn(async move {
                let (mut failed, mut kept) = (Vec::new(), None);
                while !stop.load(Ordering::Relaxed) {
                    let (writes, keeps) = (number % 2 == 0, number < 4);
                    let mut client = match kept.take() {
                        Some(client) => client,
                        None => Client::new(address).await,
                    };
                    let request = if writes { Request::post("/") } else { Request::get("/") };
                    let body = if writes { Full::from("a todo") } else { Full::<Bytes>::default() };
                    match client.ask(request.body(body).expect("a request")).await {
                        Ok(answer) if answer.status == 200 && answer.body.is_ok() => {
                            posts.fetch_add(usize::from(writes), Ordering::Relaxed);
                            let last = answer.headers.get("connection").is_some_and(|word| word == "close");
                            kept = (keeps && !last).then_some(client);
                        }
                        other => failed.push(format!("{other:?}")),
                    }
                    all.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(3)).await;
                }
                failed
            });
        }
        Self { stop, posts, all, clients }
    }

    /// Waits until so many more requests were made.
    async fn more(&self, requests: usize) {
        let until = self.all.load(Ordering::Relaxed) + requests;
        for _ in 0..1_000 {
            if self.all.load(Ordering::Relaxed) >= until {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("requests are answered no more");
    }

    /// The number of writes that were acknowledged.
    async fn end(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let failed: Vec<String> = self.clients.join_all().await.into_iter().flatten().collect();
        assert!(failed.is_empty(), "{} requests failed, such as {}", failed.len(), failed[0]);
        self.posts.load(Ordering::Relaxed)
    }
}

fn posts(upstream: &Upstream) -> usize {
    upstream.seen.lock().expect("what was seen").iter().filter(|request| request.method() == "POST").count()
}

async fn first(place: &Place, upstream: &Upstream) -> Process {
    let edge = place.start("0", 2).await;
    edge.ok(&["add", "app", &upstream.address.to_string(), "--release", "1"]);
    edge.ok(&["ready", "app", "1", "--wait", "10"]);
    edge.ok(&["route", "app", "1"]);
    edge
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_upgrades_in_a_row_drop_nothing_and_write_nothing_twice() {
    let (place, upstream) = (Place::new("upgrades"), Upstream::start(Does::Answer(1)).await);
    let mut edge = first(&place, &upstream).await;
    let traffic = Traffic::start(place.address());
    // More threads than before, and fewer: every queue has somebody who accepts from it.
    for (name, threads) in [("1", 3), ("2", 1), ("3", 2)] {
        traffic.more(100).await;
        let next = place.start(name, threads).await;
        traffic.more(100).await;
        edge.stop().await;
        edge = next;
        assert_eq!(place.said(name), "");
    }
    traffic.more(100).await;
    assert_eq!(traffic.end().await, posts(&upstream));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taker_that_is_killed_gives_the_work_back() {
    let (place, upstream) = (Place::new("killed"), Upstream::start(Does::Answer(0)).await);
    let edge = first(&place, &upstream).await;
    let mut next = place.start("1", 2).await;
    let refused = String::from_utf8_lossy(&edge.ask(&["hold", "app"]).stderr).into_owned();
    assert!(refused.contains("another edge has taken over"), "{refused}");
    // What the taker was told while it was on duty holds afterwards.
    next.ok(&["maintenance", "app", "on"]);
    next.child.kill().expect("it is killed");
    next.child.wait().expect("it ends");
    for _ in 0..1_000 {
        if edge.ask(&["hold", "app"]).status.success() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    edge.ok(&["release", "app"]);
    let shown = String::from_utf8_lossy(&edge.ask(&["targets"]).stdout).into_owned();
    assert!(shown.contains("closed: "), "{shown}");
    edge.ok(&["maintenance", "app", "off"]);
    let traffic = Traffic::start(place.address());
    traffic.more(50).await;
    let third = place.start("2", 2).await;
    traffic.more(50).await;
    edge.stop().await;
    traffic.more(50).await;
    assert_eq!(traffic.end().await, posts(&upstream));
    third.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_somebody_left_behind_is_no_other_edge() {
    let (place, upstream) = (Place::new("stale"), Upstream::start(Does::Answer(0)).await);
    drop(std::os::unix::net::UnixListener::bind(place.folder.join("handover.sock")).expect("a socket"));
    let edge = first(&place, &upstream).await;
    assert_eq!(place.said("0"), "");
    let traffic = Traffic::start(place.address());
    traffic.more(20).await;
    let _ = traffic.end().await;
    edge.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edge_that_hangs_is_done_without() {
    let (place, upstream) = (Place::new("hangs"), Upstream::start(Does::Answer(0)).await);
    // It accepts, and says nothing.
    let _hangs = std::os::unix::net::UnixListener::bind(place.folder.join("handover.sock")).expect("a socket");
    let edge = first(&place, &upstream).await;
    assert!(place.said("0").contains("does not give its sockets"), "{}", place.said("0"));
    edge.stop().await;
}

/// The first one of a network stands by for as long as others come and go.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_stands_by_follows_whoever_is_on_duty() {
    let (place, upstream) = (Place::new("follows"), Upstream::start(Does::Answer(0)).await);
    let first = first(&place, &upstream).await;
    let refused = |edge: &Process| !edge.ask(&["release", "app"]).status.success();
    let traffic = Traffic::start(place.address());
    let mut edge = place.start("1", 2).await;
    for name in ["2", "3"] {
        let next = place.start(name, 2).await;
        edge.stop().await;
        edge = next;
        traffic.more(50).await;
        assert!(refused(&first) && !refused(&edge), "{}", place.said("0"));
    }
    assert_eq!(traffic.end().await, posts(&upstream));
    // Killed without a word: the first one is on duty again, with what the last was told.
    edge.ok(&["maintenance", "app", "on"]);
    edge.child.kill().expect("it is killed");
    edge.child.wait().expect("it ends");
    for _ in 0..1_000 {
        if !refused(&first) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let shown = String::from_utf8_lossy(&first.ask(&["targets"]).stdout).into_owned();
    assert!(shown.contains("closed: "), "{shown}");
    first.ok(&["maintenance", "app", "off"]);
    let before = posts(&upstream);
    let traffic = Traffic::start(place.address());
    traffic.more(50).await;
    // One that is told to end gives the duty back at once, and not when its grace is over.
    let last = place.start("4", 2).await;
    traffic.more(50).await;
    last.stop().await;
    traffic.more(50).await;
    assert_eq!(traffic.end().await, posts(&upstream) - before);
    assert!(!refused(&first));
}
