//! An edge takes over from another, under traffic: no connection is dropped, and a taker that dies gives the work back.

use std::error::Error as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio_rustls::rustls::ClientConfig;

use crate::pebble::free_port;
use crate::support::{Answered, Client, Does, Upstream};
use crate::trust::{connect, trusting};

/// What is asked for; HTTP/2 wants it whole.
const URI: &str = "https://example.org/";

/// A folder that several edges share, as a volume is shared, and the ports that they serve on, without TLS and with it.
struct Place {
    folder: PathBuf,
    port: u16,
    default: Option<String>,
    tls_port: Option<u16>,
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
        Self { folder, port: free_port(), default: None, tls_port: None }
    }

    fn secure(name: &str) -> Self {
        let mut place = Self::new(name);
        place.tls_port = Some(free_port());
        place
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
        let tls = self.tls_port.map(|port| ["--listen-tls".to_owned(), format!("127.0.0.1:{port}")]);
        let child = Command::new(env!("CARGO_BIN_EXE_edge"))
            .args(["serve", "--listen", &format!("127.0.0.1:{}", self.port), "--threads", &threads.to_string()])
            .args(self.default.iter().flat_map(|target| ["--default-target", target]))
            .args(["--probe-interval", "100ms", "--stream-window", "100ms", "--client-connections", "10000"])
            .args(tls.into_iter().flatten())
            .arg("--certificates")
            .arg(self.folder.join("tls"))
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

    fn door(&self) -> Door {
        Door { address: ([127, 0, 0, 1], self.port).into(), tls: None }
    }

    /// The one with TLS, for a client that speaks this alone.
    fn tls_door(&self, edge: &Process, protocol: &str) -> Door {
        let authority = String::from_utf8(edge.ask(&["authority"]).stdout).expect("text");
        let port = self.tls_port.expect("it speaks TLS");
        Door { address: ([127, 0, 0, 1], port).into(), tls: Some(trusting(&authority, &[protocol])) }
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

/// Where a client comes in, and how.
#[derive(Clone)]
struct Door {
    address: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
}

/// A client's connection.
enum Connection {
    Http1(Client),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Connection {
    async fn new(door: &Door) -> Self {
        let Some(config) = &door.tls else { return Self::Http1(Client::new(door.address).await) };
        let stream = connect(door.address, "localhost", Arc::clone(config)).await.expect("a handshake");
        if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
            return Self::Http1(Client::over(stream).await);
        }
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = handshake.await.expect("HTTP/2 is spoken");
        tokio::spawn(connection);
        Self::Http2(sender)
    }

    /// Nothing where the connection took no more, and the request is to be made on another one.
    async fn ask(&mut self, request: Request<Full<Bytes>>) -> Option<Result<Answered, hyper::Error>> {
        let sender = match self {
            Self::Http1(client) => return Some(client.ask(request).await),
            Self::Http2(sender) => sender,
        };
        sender.ready().await.ok()?;
        match sender.try_send_request(request).await {
            Ok(response) => Some(Ok(Answered::read(response).await)),
            Err(mut error) => {
                let is_for_another = error.take_message().is_some() || was_left(error.error());
                (!is_for_another).then(|| Err(error.into_error()))
            }
        }
    }
}

/// Whether the edge said that it has not looked at the request and will not (RFC 9113, section 6.8): then it may be made
/// again. This meets what a client has begun and not sent when it hears of the end, since its answer to the edge's ping
/// goes out before it. Were the edge's word not true, there would be more writes in the end than were acknowledged.
fn was_left(error: &hyper::Error) -> bool {
    let error = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    error.is_some_and(|error| error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR))
}

/// Clients that keep their connections, of which half write, and others that make a new one for each request.
struct Traffic {
    counts: Arc<Counts>,
    clients: JoinHandle<Vec<String>>,
}

#[derive(Default)]
struct Counts {
    stop: AtomicBool,
    posts: AtomicUsize,
    all: AtomicUsize,
}

impl Traffic {
    /// All on one thread: were a connection's on another one than its requests, hyper could fail one that it has sent.
    fn start(doors: &[Door]) -> Self {
        let counts = Arc::<Counts>::default();
        let (inner, doors) = (Arc::clone(&counts), doors.to_vec());
        let clients = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let each = doors.iter().flat_map(|door| (0..6).map(move |number| (door, number)));
            let clients = each.map(|(door, number)| client(door, number, &inner));
            runtime.block_on(futures_util::future::join_all(clients)).concat()
        });
        Self { counts, clients }
    }

    /// Waits until so many more requests were made.
    async fn more(&self, requests: usize) {
        let until = self.counts.all.load(Ordering::Relaxed) + requests;
        for _ in 0..1_000 {
            if self.counts.all.load(Ordering::Relaxed) >= until {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("requests are answered no more");
    }

    /// The number of writes that were acknowledged.
    async fn end(self) -> usize {
        self.counts.stop.store(true, Ordering::Relaxed);
        let ended = tokio::task::spawn_blocking(|| self.clients.join().expect("no panic"));
        let failed = ended.await.expect("no panic");
        assert!(failed.is_empty(), "{} requests failed, such as {}", failed.len(), failed[0]);
        self.counts.posts.load(Ordering::Relaxed)
    }
}

/// Asks until told to stop, and gives what failed.
async fn client(door: &Door, number: usize, counts: &Counts) -> Vec<String> {
    let (writes, keeps) = (number.is_multiple_of(2), number < 4);
    let (mut failed, mut kept) = (Vec::new(), None);
    while !counts.stop.load(Ordering::Relaxed) {
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => Connection::new(door).await,
        };
        let request = if writes { Request::post(URI) } else { Request::get(URI) };
        let body = if writes { Full::from("a todo") } else { Full::default() };
        match connection.ask(request.body(body).expect("a request")).await {
            None => continue,
            Some(Ok(answer)) if answer.status == 200 && answer.body.is_ok() => {
                counts.posts.fetch_add(usize::from(writes), Ordering::Relaxed);
                let last = answer.headers.get("connection").is_some_and(|word| word == "close");
                kept = (keeps && !last).then_some(connection);
            }
            Some(other) => failed.push(format!("{other:?}")),
        }
        counts.all.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    failed
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
    let traffic = Traffic::start(&[place.door()]);
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
async fn upgrades_drop_nothing_of_what_comes_with_tls() {
    let (place, upstream) = (Place::secure("tls"), Upstream::start(Does::Answer(1)).await);
    let mut edge = first(&place, &upstream).await;
    let doors = [place.door(), place.tls_door(&edge, "http/1.1"), place.tls_door(&edge, "h2")];
    let traffic = Traffic::start(&doors);
    for (name, threads) in [("1", 3), ("2", 1)] {
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
    let traffic = Traffic::start(&[place.door()]);
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
    let traffic = Traffic::start(&[place.door()]);
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
    let traffic = Traffic::start(&[place.door()]);
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
    let traffic = Traffic::start(&[place.door()]);
    traffic.more(50).await;
    // One that is told to end gives the duty back at once, and not when its grace is over.
    let last = place.start("4", 2).await;
    traffic.more(50).await;
    last.stop().await;
    traffic.more(50).await;
    assert_eq!(traffic.end().await, posts(&upstream) - before);
    assert!(!refused(&first));
}

/// As under a plain `docker compose up`, where the front door starts first and nobody tells either edge anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn targets_of_the_settings_are_there_after_a_handover_too() {
    let (mut place, upstream) = (Place::new("defaults"), Upstream::start(Does::Answer(0)).await);
    place.default = Some(format!("app={}", upstream.address));
    let first = place.start("0", 2).await;
    let mut next = place.start("1", 2).await;
    let knows = |edge: &Process| String::from_utf8_lossy(&edge.ask(&["targets"]).stdout).contains("default");
    assert!(knows(&next));
    next.child.kill().expect("it is killed");
    next.child.wait().expect("it ends");
    let traffic = Traffic::start(&[place.door()]);
    traffic.more(20).await;
    let _ = traffic.end().await;
    assert!(knows(&first));
}
