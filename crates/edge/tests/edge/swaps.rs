//! Targets come and go under traffic.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Client, Does, Edge, Upstream, drain, quick, route, until};

/// Clients that ask without end, half of them to write; gives how often each was asked, and what failed.
struct Traffic {
    stop: Arc<AtomicBool>,
    posts: Arc<AtomicUsize>,
    clients: tokio::task::JoinSet<Vec<String>>,
}

impl Traffic {
    fn start(edge: &Edge) -> Self {
        let (stop, posts) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut clients = tokio::task::JoinSet::new();
        for number in 0..8 {
            let (address, stop, posts) = (edge.address, Arc::clone(&stop), Arc::clone(&posts));
            clients.spawn(async move {
                let (mut client, mut failed) = (Client::new(address).await, Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    let writes = number % 2 == 0;
                    let request = if writes { Request::post("/") } else { Request::get("/") };
                    let body = if writes { Full::from("a todo") } else { Full::<Bytes>::default() };
                    match client.ask(request.body(body).expect("a request")).await {
                        Ok(answer) if answer.status == 200 && answer.body.is_ok() => {
                            posts.fetch_add(usize::from(writes), Ordering::Relaxed);
                        }
                        other => failed.push(format!("{other:?}")),
                    }
                }
                failed
            });
        }
        Self { stop, posts, clients }
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_after_the_other_and_no_request_notices() {
    let mut old = Upstream::start(Does::Answer(2)).await;
    let edge = Edge::before(quick(), &[&old]).await;
    let traffic = Traffic::start(&edge);
    let mut written = 0;
    for number in 2..7 {
        let release = number.to_string();
        let new = Upstream::start(Does::Answer(2)).await;
        edge.add(&new, &release).await;
        let leaving = edge.targets()[0].clone();
        edge.apply(&[route(&release), drain(old.address)]);
        leaving.empty().await;
        // Nothing is in flight there, so nothing is lost by this.
        old.kill().await;
        let remove = mainstay_edge::balance::Change::Remove { service: "app".into(), name: leaving.name.clone() };
        edge.apply(&[remove]);
        until(|| new.count() > 50).await;
        written += posts(&old);
        old = new;
    }
    let acknowledged = traffic.end().await;
    assert_eq!(written + posts(&old), acknowledged, "every write was made once");
    for release in 1..7 {
        let counts = edge.counts(&release.to_string());
        assert!(counts.answered > 0 && counts.failed == 0, "release {release}: {counts:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_target_fails_no_read() {
    let (mut dies, stays) = (Upstream::start(Does::Answer(5)).await, Upstream::start(Does::Answer(5)).await);
    let edge = Edge::before(quick(), &[&dies, &stays]).await;
    let asking = (0..8).map(|_| async {
        let mut client = Client::new(edge.address).await;
        for _ in 0..40 {
            let answer = client.ask(Request::get("/").body(Full::default()).expect("a request")).await.expect("one");
            assert_eq!(answer.status, 200);
        }
    });
    let killing = async {
        until(|| dies.count() > 40).await;
        dies.kill().await;
    };
    tokio::join!(futures_util::future::join_all(asking), killing);
    let counts = edge.counts("1");
    assert_eq!((counts.answered, counts.failed), (320, 0));
    assert!(counts.retried > 0, "{counts:?}");
}

#[tokio::test]
async fn a_drain_waits_for_the_last_byte_of_a_stream() {
    let (old, new) = (Upstream::start(Does::Stream(10)).await, Upstream::start(Does::Answer(0)).await);
    let edge = Edge::before(quick(), &[&old]).await;
    edge.add(&new, "2").await;
    let leaving = edge.targets()[0].clone();
    let address = edge.address;
    let stream = tokio::spawn(async move {
        let mut client = Client::new(address).await;
        client.ask(Request::get("/").body(Full::default()).expect("a request")).await.expect("an answer")
    });
    until(|| leaving.in_flight() == 1).await;
    edge.apply(&[route("2"), drain(old.address)]);
    assert_eq!(leaving.in_flight(), 1);
    leaving.empty().await;
    assert_eq!(stream.await.expect("no panic").body.as_deref(), Ok("0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n"));
}

#[tokio::test]
async fn an_edge_that_leaves_ends_what_it_has() {
    let upstream = Upstream::start(Does::Stream(6)).await;
    let edge = Edge::before(quick(), &[&upstream]).await;
    let address = edge.address;
    let stream = tokio::spawn(async move {
        let mut client = Client::new(address).await;
        client.ask(Request::get("/").body(Full::default()).expect("a request")).await.expect("an answer")
    });
    until(|| upstream.count() == 1).await;
    edge.leaving.cancel();
    edge.left().await;
    assert_eq!(stream.await.expect("no panic").body.as_deref(), Ok("0\n1\n2\n3\n4\n5\n"));
    assert!(TcpStream::connect(address).await.is_err(), "nobody is let in any more");
}

#[tokio::test]
async fn a_stream_of_events_is_ended_after_an_event() {
    let (old, new) = (Upstream::start(Does::Events).await, Upstream::start(Does::Events).await);
    let edge = Edge::before(quick(), &[&old]).await;
    edge.add(&new, "2").await;
    let leaving = edge.targets()[0].clone();
    let draining = async {
        until(|| leaving.in_flight() == 1).await;
        edge.apply(&[route("2"), drain(old.address)]);
        leaving.empty().await;
    };
    let (answer, ()) = tokio::join!(edge.get("/"), draining);
    let body = answer.body.expect("a clean end");
    assert!(body.ends_with("data: a todo\n\n"), "{body:?}");
    until(|| edge.counts("1").answered == 1).await;
    assert_eq!(edge.counts("1").failed, 0);
}

/// A WebSocket, just opened.
async fn websocket(address: SocketAddr) -> TcpStream {
    let mut raw = TcpStream::connect(address).await.expect("a connection");
    let ask = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\r\n";
    raw.write_all(ask).await.expect("it is sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(raw.read_u8().await.expect("a head"));
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    assert!(head.starts_with("http/1.1 101") && head.contains("upgrade: websocket"), "{head}");
    raw
}

/// Reads whole frames until the one that says that the server goes away.
async fn until_going_away(raw: &mut TcpStream) {
    loop {
        let mut start = [0; 4];
        let _ = raw.read_exact(&mut start).await.expect("a whole frame");
        if start == [0x88, 0x02, 0x03, 0xe9] {
            break;
        }
        assert_eq!(&start, b"\x82\x05he");
        let mut rest = [0; 3];
        let _ = raw.read_exact(&mut rest).await.expect("the rest of the frame");
    }
}

#[tokio::test]
async fn a_websocket_gets_a_close_frame_between_two_others() {
    let (old, new) = (Upstream::start(Does::WebSocket).await, Upstream::start(Does::WebSocket).await);
    let edge = Edge::before(quick(), &[&old]).await;
    edge.add(&new, "2").await;
    let leaving = edge.targets()[0].clone();
    let mut raw = websocket(edge.address).await;
    // It carries on while it may.
    for _ in 0..3 {
        let mut frame = [0; 7];
        let _ = raw.read_exact(&mut frame).await.expect("a frame");
        assert_eq!(&frame, b"\x82\x05hello");
    }
    assert_eq!(leaving.in_flight(), 1);
    edge.apply(&[route("2"), drain(old.address)]);
    until_going_away(&mut raw).await;
    // The client's answer, masked as a client's has to be.
    raw.write_all(b"\x88\x82\0\0\0\0\x03\xe9").await.expect("it is sent");
    raw.shutdown().await.expect("it is closed");
    leaving.empty().await;
    until(|| edge.counts("1").answered == 1).await;
}

#[tokio::test]
async fn an_edge_that_leaves_says_so_to_a_websocket() {
    let upstream = Upstream::start(Does::WebSocket).await;
    let edge = Edge::before(quick(), &[&upstream]).await;
    let mut raw = websocket(edge.address).await;
    edge.leaving.cancel();
    until_going_away(&mut raw).await;
    drop(raw);
    edge.left().await;
}

/// A target that answers its probes, says this to whoever else asks, and is gone without a word.
async fn dying(says: &'static str) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.9.9:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = vec![0; 4096];
                let read = stream.read(&mut head).await.unwrap_or(0);
                let probe = head[..read].starts_with(b"GET /readyz");
                let said = if probe { "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n" } else { says };
                let _ = stream.write_all(said.as_bytes()).await;
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                // Closed with a reset, as the kernel does for a process that was killed.
                let _ = stream.set_zero_linger();
            });
        }
    });
    address
}

async fn edge_before(address: SocketAddr) -> Edge {
    let edge = Edge::start(quick());
    edge.apply(&[crate::support::add(address, "1")]);
    until(|| edge.shared.balancer.services()["app"].is_ready("1")).await;
    edge.route("1");
    edge
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_stream_of_a_killed_target_ends_cleanly_between_two_events() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let whole = dying(both(HEAD, "9\r\ndata: a\n\n\r\n")).await;
    let edge = edge_before(whole).await;
    assert_eq!(edge.get("/").await.body.expect("a clean end"), "data: a\n\n");
    until(|| edge.counts("1").failed == 1).await;
    let cut = dying(both(HEAD, "7\r\ndata: a\r\n")).await;
    let edge = edge_before(cut).await;
    assert!(edge.get("/").await.body.is_err(), "an event that is cut must not look whole");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_of_a_killed_target_is_told_to_come_again() {
    const HEAD: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let edge = edge_before(dying(both(HEAD, "\u{1}\u{2}hi")).await).await;
    let mut socket = websocket(edge.address).await;
    let mut heard = Vec::new();
    let _ = socket.read_to_end(&mut heard).await;
    assert_eq!(heard, b"\x01\x02hi\x88\x02\x03\xe9");
}

/// Both, for as long as the test runs.
fn both(head: &str, rest: &str) -> &'static str {
    format!("{head}{rest}").leak()
}
