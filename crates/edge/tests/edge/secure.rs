//! Clients that speak TLS, by HTTP/1.1 and HTTP/2.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::{http1, http2};
use hyper::{Request, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use mainstay_edge::tls::{Names, TlsSettings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::support::{Does, Edge, Upstream, quick, until};
use crate::trust::{Scratch, connect, trusting};

/// An edge with TLS before one target.
async fn secure(name: &str, does: Does) -> (Scratch, Edge, Upstream) {
    secure_with(name, does, |_| {}).await
}

async fn secure_with(name: &str, does: Does, set: impl FnOnce(&mut TlsSettings)) -> (Scratch, Edge, Upstream) {
    let (scratch, upstream) = (Scratch::new(name), Upstream::start(does).await);
    let mut settings = scratch.settings();
    set(&mut settings);
    let edge = Edge::secure(quick(), settings);
    edge.add(&upstream, "1").await;
    edge.route("1");
    (scratch, edge, upstream)
}

pub(crate) async fn stream(edge: &Edge, protocol: &str) -> TlsStream<TcpStream> {
    connect(edge.tls_address(), "localhost", trusting(&edge.authority(), &[protocol])).await.expect("a handshake")
}

pub(crate) type Sender = http2::SendRequest<BoxBody<Bytes, std::io::Error>>;

/// A client that speaks HTTP/2, and its connection's end.
pub(crate) async fn client(edge: &Edge) -> (Sender, tokio::task::JoinHandle<Result<(), hyper::Error>>) {
    let stream = stream(edge, "h2").await;
    let (sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.expect("HTTP/2 is spoken");
    (sender, tokio::spawn(connection))
}

pub(crate) fn get(path: &str) -> Request<BoxBody<Bytes, std::io::Error>> {
    post(path, Bytes::new())
}

fn post(path: &str, body: Bytes) -> Request<BoxBody<Bytes, std::io::Error>> {
    let method = if body.is_empty() { "GET" } else { "POST" };
    let body = Full::from(body).map_err(|never| match never {}).boxed();
    let uri = format!("https://example.org{path}");
    Request::builder().method(method).uri(uri).version(Version::HTTP_2).body(body).expect("a request")
}

async fn ask(sender: &mut Sender, request: Request<BoxBody<Bytes, std::io::Error>>) -> (u16, String) {
    sender.ready().await.expect("it is ready");
    let response = sender.send_request(request).await.expect("an answer");
    let status = response.status().as_u16();
    (status, String::from_utf8_lossy(&response.into_body().collect().await.expect("a body").to_bytes()).into_owned())
}

#[tokio::test]
async fn an_old_client_is_answered_by_http_1() {
    let (_scratch, edge, upstream) = secure("h1", Does::Answer(0)).await;
    let stream = stream(&edge, "http/1.1").await;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
    tokio::spawn(connection);
    let request = Request::get("/a").header("host", "example.org").body(Full::<Bytes>::default()).expect("a request");
    let response = sender.send_request(request).await.expect("an answer");
    assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_11));
    let seen = upstream.seen.lock().expect("what was seen");
    assert_eq!(seen[0].headers()["x-forwarded-proto"], "https");
}

#[tokio::test]
async fn a_target_hears_http_2_as_its_own_http_1() {
    let (_scratch, edge, upstream) = secure("h2", Does::Answer(0)).await;
    let (mut sender, _) = client(&edge).await;
    let mut request = get("/a?b=c");
    for cookie in ["a=1", "b=2"] {
        request.headers_mut().append("cookie", cookie.parse().expect("a value"));
    }
    request.headers_mut().insert("te", "trailers".parse().expect("a value"));
    let response = sender.send_request(request).await.expect("an answer");
    assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2));
    for name in ["connection", "keep-alive", "transfer-encoding", "upgrade", "strict-transport-security"] {
        assert!(response.headers().get(name).is_none(), "{name}");
    }
    let seen = upstream.seen.lock().expect("what was seen");
    let (uri, headers) = (seen[0].uri().to_string(), seen[0].headers());
    assert_eq!((uri.as_str(), seen[0].version()), ("/a?b=c", Version::HTTP_11));
    for (name, value) in [("host", "example.org"), ("x-forwarded-host", "example.org"), ("x-forwarded-proto", "https")]
    {
        assert_eq!(headers[name], value, "{name}");
    }
    assert_eq!(headers["cookie"], "a=1; b=2");
    assert_eq!(headers.get_all("cookie").iter().count(), 1);
    assert!(headers.get("te").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_requests_share_a_connection() {
    let (_scratch, edge, upstream) = secure("streams", Does::Answer(5)).await;
    let (sender, _) = client(&edge).await;
    let asking = (0..400).map(|number| {
        let mut sender = sender.clone();
        async move { ask(&mut sender, post(&format!("/{number}"), Bytes::from("a todo"))).await }
    });
    let answers = futures_util::future::join_all(asking).await;
    assert!(answers.iter().all(|(status, body)| *status == 200 && body.ends_with(" 6")), "{answers:?}");
    until(|| edge.counts("1").answered == 400).await;
    assert_eq!((upstream.count(), edge.counts("1").failed), (400, 0));
}

#[tokio::test]
async fn an_upload_passes_as_it_comes_and_a_download_too() {
    let (_scratch, edge, _upload) = secure("upload", Does::Answer(0)).await;
    let (mut sender, _) = client(&edge).await;
    let (status, body) = ask(&mut sender, post("/", Bytes::from(vec![b'x'; 3_000_000]))).await;
    assert!(status == 200 && body.ends_with(" 3000000"), "{status} {body}");

    let (_scratch, edge, _download) = secure("download", Does::Stream(5)).await;
    let (mut sender, _) = client(&edge).await;
    let mut body = sender.send_request(get("/")).await.expect("an answer").into_body();
    let first = body.frame().await.expect("a frame").expect("no error").into_data().expect("data");
    assert_eq!(first, "0\n", "the first piece is here before the last one was sent");
    assert_eq!(body.collect().await.expect("the rest").to_bytes(), "1\n2\n3\n4\n");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_by_http_2_as_well() {
    let scratch = Scratch::new("too-large");
    let upstream = Upstream::start(Does::Answer(0)).await;
    let edge = Edge::secure(mainstay_edge::settings::Settings { body_bytes: 10, ..quick() }, scratch.settings());
    edge.add(&upstream, "1").await;
    edge.route("1");
    let (mut sender, _) = client(&edge).await;
    assert_eq!(ask(&mut sender, post("/", Bytes::from_static(b"01234567890"))).await.0, 413);
    assert_eq!(ask(&mut sender, post("/", Bytes::from_static(b"0123456789"))).await.0, 200, "and others go on");
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let (_scratch, edge, upstream) = secure("head", Does::Answer(0)).await;
    let (mut sender, _) = client(&edge).await;
    let mut request = get("/");
    request.headers_mut().insert("x-large", "x".repeat(40_000).parse().expect("a value"));
    assert_eq!(ask(&mut sender, request).await.0, 431);
    assert_eq!((ask(&mut sender, get("/")).await.0, upstream.count()), (200, 1), "and others go on");
}

#[tokio::test]
async fn a_client_that_leaves_a_request_leaves_the_target_too() {
    let (_scratch, edge, upstream) = secure("reset", Does::Answer(60_000)).await;
    let (sender, _) = client(&edge).await;
    let mut other = sender.clone();
    let asking = tokio::spawn(async move { other.send_request(get("/")).await.map(drop) });
    until(|| upstream.count() == 1).await;
    assert_eq!(edge.targets()[0].in_flight(), 1);
    asking.abort();
    until(|| edge.targets()[0].in_flight() == 0).await;
    drop(sender);
}

#[tokio::test]
async fn an_edge_that_leaves_ends_what_http_2_has() {
    let (_scratch, edge, upstream) = secure("leaves", Does::Stream(6)).await;
    let (mut sender, connection) = client(&edge).await;
    let response = sender.send_request(get("/"));
    until(|| upstream.count() == 1).await;
    edge.leaving.cancel();
    let body = response.await.expect("an answer").into_body().collect().await.expect("a whole body").to_bytes();
    assert_eq!(body, "0\n1\n2\n3\n4\n5\n");
    connection.await.expect("no panic").expect("a clean end");
    assert!(sender.ready().await.is_err(), "no new request is taken");
    edge.left().await;
}

#[tokio::test]
async fn a_slow_handshake_is_cut() {
    let cut = |settings: &mut TlsSettings| settings.handshake_time = Duration::from_millis(100);
    let (_scratch, edge, _upstream) = secure_with("slow", Does::Answer(0), cut).await;
    for sent in [&b""[..], b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n"] {
        let mut raw = TcpStream::connect(edge.tls_address()).await.expect("a connection");
        raw.write_all(sent).await.expect("it is sent");
        let mut rest = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(9), raw.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "the connection is closed");
    }
}

#[tokio::test]
async fn a_connection_that_asks_nothing_is_let_go() {
    let scratch = Scratch::new("idle");
    let settings = mainstay_edge::settings::Settings { head_time: Duration::from_millis(100), ..quick() };
    let edge = Edge::secure(settings, scratch.settings());
    let (_sender, connection) = client(&edge).await;
    let ended = tokio::time::timeout(Duration::from_secs(9), connection).await;
    ended.expect("it ends").expect("no panic").expect("a clean end");
}

#[tokio::test]
async fn a_flood_of_requests_taken_back_ends_the_connection() {
    let (_scratch, edge, _upstream) = secure("flood", Does::Answer(60_000)).await;
    let mut stream = stream(&edge, "h2").await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.expect("it is sent");
    // `GET https / example.org`, and at once that it is not wanted.
    let block = b"\x82\x87\x84\x41\x0bexample.org";
    let mut flood = Vec::new();
    for number in 0..2_000_u32 {
        let id = (2 * number + 1).to_be_bytes();
        flood.extend([0, 0, block.len() as u8, 1, 5]);
        flood.extend(id);
        flood.extend(block);
        flood.extend([0, 0, 4, 3, 0]);
        flood.extend(id);
        flood.extend([0, 0, 0, 8]);
    }
    let _ = stream.write_all(&flood).await;
    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(9), stream.read_to_end(&mut rest)).await;
    assert!(read.is_ok(), "the connection is closed");
    // GOAWAY with ENHANCE_YOUR_CALM.
    let calm = |frame: &[u8]| frame[3] == 7 && frame[13..17] == [0, 0, 0, 11];
    assert!(rest.windows(17).any(calm), "{rest:?}");
    until(|| edge.targets()[0].in_flight() == 0).await;
}

#[tokio::test]
async fn a_session_is_taken_up_again() {
    let (_scratch, edge, _upstream) = secure("resumed", Does::Answer(0)).await;
    let config = trusting(&edge.authority(), &["http/1.1"]);
    let mut kinds = Vec::new();
    for _ in 0..2 {
        let mut stream = connect(edge.tls_address(), "localhost", Arc::clone(&config)).await.expect("a handshake");
        let ask = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        stream.write_all(ask).await.expect("it is sent");
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await.expect("an answer and a clean end");
        kinds.push(stream.get_ref().1.handshake_kind().expect("a handshake"));
    }
    use tokio_rustls::rustls::HandshakeKind::{Full, Resumed};
    assert_eq!(kinds, [Full, Resumed]);
}

#[tokio::test]
async fn a_websocket_is_carried_over_tls() {
    let (_scratch, edge, _upstream) = secure("websocket", Does::WebSocket).await;
    let mut stream = stream(&edge, "http/1.1").await;
    let ask = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
    stream.write_all(ask).await.expect("it is sent");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a head"));
    }
    let mut frame = [0; 7];
    let _ = stream.read_exact(&mut frame).await.expect("a frame");
    assert_eq!(&frame, b"\x82\x05hello");
}

#[tokio::test]
async fn the_local_certificate_is_for_the_names_that_are_wanted() {
    let wanted = |settings: &mut TlsSettings| {
        settings.local_names = Names(vec!["box.lan".to_owned(), "192.0.2.7".to_owned()]);
    };
    let (_scratch, edge, _upstream) = secure_with("names", Does::Answer(0), wanted).await;
    let address = edge.tls_address();
    let config = trusting(&edge.authority(), &[]);
    for name in ["localhost", "127.0.0.1", "::1", "box.lan", "192.0.2.7"] {
        assert!(connect(address, name, Arc::clone(&config)).await.is_ok(), "{name}");
    }
    assert!(connect(address, "example.org", config).await.is_err());
}

#[tokio::test]
async fn an_authority_that_another_edge_made_is_taken_in() {
    let (scratch, edge, _upstream) = secure("swapped", Does::Answer(0)).await;
    let before = edge.authority();
    let other = Scratch::new("swapped-other");
    let new = Edge::secure(quick(), other.settings()).authority();
    std::fs::rename(other.0.join("tls/authority.pem"), scratch.0.join("tls/authority.pem")).expect("it is moved");
    until(|| edge.authority() == new).await;
    for (authority, is_served) in [(&new, true), (&before, false)] {
        let served = connect(edge.tls_address(), "localhost", trusting(authority, &[])).await;
        assert_eq!(served.is_ok(), is_served);
    }
    assert_eq!(edge.told.lock().expect("what was told").len(), 0);
}

const LAST_ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn who_has_just_come_is_answered_though_the_edge_leaves() {
    let (_scratch, edge, _upstream) = secure("just-come", Does::Answer(0)).await;
    let mut plain = TcpStream::connect(edge.address).await.expect("a connection");
    // The one before it is accepted when the next one is answered.
    assert_eq!(edge.get("/").await.status, 200);
    edge.leaving.cancel();
    plain.write_all(LAST_ASK).await.expect("it is sent");
    let mut answer = [0; 12];
    let _ = plain.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200");
    edge.left().await;
}

#[tokio::test]
async fn who_has_just_come_with_tls_is_answered_though_the_edge_leaves() {
    let (_scratch, edge, _upstream) = secure("just-come-tls", Does::Answer(0)).await;
    let mut stream = stream(&edge, "http/1.1").await;
    edge.leaving.cancel();
    stream.write_all(LAST_ASK).await.expect("it is sent");
    let mut answer = [0; 12];
    let _ = stream.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 200");
    edge.left().await;

    let (_scratch, edge, _upstream) = secure("just-come-h2", Does::Answer(0)).await;
    let (mut sender, _) = client(&edge).await;
    edge.leaving.cancel();
    assert_eq!(ask(&mut sender, get("/")).await.0, 200);
    edge.left().await;
}
