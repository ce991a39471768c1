//! One request and its answer.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use mainstay_edge::settings::Settings;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Client, Does, Edge, Upstream, ask, quick, until};

#[tokio::test]
async fn a_target_hears_who_asks_and_not_what_they_say_of_themselves() {
    let upstream = Upstream::start(Does::Answer(0)).await;
    let edge = Edge::before(quick(), &[&upstream]).await;
    let request = Request::get("/a?b=c").header("x-forwarded-for", "10.0.0.1").header("x-real-ip", "10.0.0.1");
    let request = request.header("connection", "x-mine").header("x-mine", "1").body(Full::default());
    let answer = ask(edge.address, request.expect("a request")).await;
    assert_eq!(answer.status, 200);
    let seen = upstream.seen.lock().expect("what was seen");
    let (uri, headers) = (seen[0].uri().to_string(), seen[0].headers());
    assert_eq!(uri, "/a?b=c");
    assert_eq!(headers["host"], "example.org");
    assert_eq!(headers["x-forwarded-for"], "127.0.0.1");
    assert!(headers.get("x-real-ip").is_none() && headers.get("x-mine").is_none());
    assert_eq!(headers["x-request-id"], answer.headers["x-request-id"]);
    assert!(headers.contains_key("traceparent"));
}

#[tokio::test]
async fn people_are_protected_where_it_is_not_switched_off() {
    let upstream = Upstream::start(Does::Answer(0)).await;
    let edge = Edge::before(quick(), &[&upstream]).await;
    let answer = edge.get("/").await;
    assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    assert_eq!(answer.headers["x-frame-options"], "SAMEORIGIN");
    assert!(!answer.headers.contains_key("server"));
    let mut settings = quick();
    settings.answers.security_headers = false;
    let edge = Edge::before(settings, &[&upstream]).await;
    let answer = edge.get("/").await;
    assert!(!answer.headers.contains_key("x-content-type-options"));
    assert_eq!(answer.headers["server"], "a target");
}

#[tokio::test]
async fn a_line_for_each_request() {
    let upstream = Upstream::start(Does::Answer(0)).await;
    let edge = Edge::before(quick(), &[&upstream]).await;
    let _ = edge.get("/a?secret=1").await;
    until(|| !edge.lines.all().is_empty()).await;
    let line = edge.lines.all().remove(0);
    assert_eq!((&line["path"], &line["status"], &line["release"]), (&"/a".into(), &200.into(), &"1".into()));
    assert_eq!((&line["attempts"], &line["end"]), (&1.into(), &"complete".into()));
    assert!(!line.to_string().contains("secret"));
}

#[tokio::test]
async fn a_connection_that_closed_meanwhile_is_no_failure() {
    let upstream = Upstream::start(Does::CloseOnSecond).await;
    let edge = Edge::before(quick(), &[&upstream]).await;
    for _ in 0..5 {
        assert_eq!(edge.get("/").await.status, 200);
    }
    assert_eq!(edge.counts("1").failed, 0);
}

#[tokio::test]
async fn what_may_have_been_done_is_not_done_again() {
    let upstream = Upstream::start(Does::Close).await;
    let edge = Edge::before(quick(), &[&upstream]).await;
    assert_eq!(edge.post("/", "a todo").await.status, 502);
    assert_eq!(upstream.count(), 1);
}

#[tokio::test]
async fn a_request_that_targets_die_of_is_not_made_without_end() {
    let upstream = Upstream::start(Does::Close).await;
    let edge = Edge::before(quick(), &[&upstream]).await;
    assert_eq!(edge.get("/").await.status, 502);
    assert_eq!(upstream.count(), 3);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let upstream = Upstream::start(Does::Answer(0)).await;
    let edge = Edge::before(Settings { body_bytes: 10, ..quick() }, &[&upstream]).await;
    assert_eq!(edge.post("/", "0123456789").await.status, 200);
    assert_eq!(edge.post("/", "01234567890").await.status, 413);
    let mut raw = TcpStream::connect(edge.address).await.expect("a connection");
    let chunked = "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n";
    raw.write_all(chunked.as_bytes()).await.expect("it is sent");
    let mut answer = [0; 12];
    let _ = raw.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 413");
    assert_eq!(upstream.count(), 1, "none but the first arrived whole");
}

#[tokio::test]
async fn a_client_that_waits_for_leave_gets_it() {
    let upstream = Upstream::start(Does::Answer(0)).await;
    let edge = Edge::before(quick(), &[&upstream]).await;
    let mut raw = TcpStream::connect(edge.address).await.expect("a connection");
    let head = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\nexpect: 100-continue\r\n\r\n";
    raw.write_all(head.as_bytes()).await.expect("it is sent");
    let mut leave = [0; 25];
    let _ = raw.read_exact(&mut leave).await.expect("leave");
    assert_eq!(&leave, b"HTTP/1.1 100 Continue\r\n\r\n");
    raw.write_all(b"a todo").await.expect("it is sent");
    let mut answer = [0; 12];
    let _ = raw.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200");
    assert!(upstream.seen.lock().expect("what was seen")[0].headers().get("expect").is_none());
}

#[tokio::test]
async fn a_large_body_passes_as_it_comes() {
    let upstream = Upstream::start(Does::Answer(0)).await;
    let edge = Edge::before(quick(), &[&upstream]).await;
    let body = Bytes::from(vec![b'x'; 1_000_000]);
    let answer = ask(edge.address, Request::post("/").body(Full::from(body)).expect("a request")).await;
    assert!(answer.body.expect("a body").ends_with(" 1000000"));
}

#[tokio::test]
async fn a_target_that_says_nothing_is_not_waited_for_without_end() {
    let upstream = Upstream::start(Does::Answer(60_000)).await;
    let settings = Settings { first_byte_time: Duration::from_millis(50), ..quick() };
    let edge = Edge::before(settings, &[&upstream]).await;
    assert_eq!(edge.get("/").await.status, 504);
}

#[tokio::test]
async fn connections_are_kept_on_both_sides() {
    let upstream = Upstream::start(Does::CloseOnSecond).await;
    let edge = Edge::before(quick(), &[&upstream]).await;
    let mut client = Client::new(edge.address).await;
    for _ in 0..3 {
        let answer = client.ask(Request::get("/").body(Full::default()).expect("a request")).await.expect("an answer");
        assert_eq!(answer.status, 200);
    }
    // The second request came on the first one's connection, where it was not answered, and was made again.
    until(|| edge.counts("1").answered == 3).await;
    assert!(edge.counts("1").retried > 0);
}

#[tokio::test]
async fn a_slow_head_is_not_waited_for() {
    let edge = Edge::start(Settings { head_time: Duration::from_millis(100), ..quick() });
    let mut raw = TcpStream::connect(edge.address).await.expect("a connection");
    raw.write_all(b"GET / HTTP/1.1\r\nhost").await.expect("it is sent");
    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(9), raw.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "the connection is closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_gets_a_tunnel() {
    let upstream = Upstream::start(Does::Answer(0)).await;
    let edge = Edge::before(quick(), &[&upstream]).await;
    let request = Request::connect("example.org:443").body(Full::default()).expect("a request");
    assert_eq!(ask(edge.address, request).await.status, 405);
    assert_eq!(upstream.count(), 0);
}
