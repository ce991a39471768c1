//! What Prometheus reads, and that it cannot be kept from it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http_body_util::Full;
use hyper::Request;
use mainstay_edge::metrics::{Sources, serve};
use mainstay_edge::settings::Settings;
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Answered, Client, Does, Edge, Upstream, ask, quick, until};

async fn reader(edge: &Edge) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(serve(Sources::new(Arc::clone(&edge.shared), Arc::new(Vec::new)), listener));
    address
}

async fn read(address: SocketAddr, path: &str) -> Answered {
    ask(address, Request::get(path).body(Full::default()).expect("a request")).await
}

/// The value of a sample, which is there.
async fn value(address: SocketAddr, sample: &str) -> f64 {
    let text = read(address, "/metrics").await.body.expect("a body");
    let line = text.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{sample} is in {text}")).parse().expect("a number")
}

#[tokio::test]
async fn requests_are_counted_by_what_became_of_them() {
    let upstream = Upstream::start(Does::Answer(0)).await;
    let edge = Edge::before(Settings { body_bytes: 3, ..quick() }, &[&upstream]).await;
    let address = reader(&edge).await;
    let mut client = Client::new(edge.address).await;
    for _ in 0..3 {
        let _ = client.ask(Request::get("/").body(Full::default()).expect("a request")).await.expect("an answer");
    }
    assert_eq!(edge.post("/", "more than three").await.status, 413);
    until(|| edge.counts("1").answered == 3 && edge.counts("").failed == 1).await;
    let requests = "edge_requests_total{service=\"app\",release=\"1\",class=\"2xx\",outcome=\"answered\"}";
    assert_eq!(value(address, requests).await, 3.0);
    let count = "edge_request_duration_seconds_count{service=\"app\",release=\"1\"}";
    assert_eq!(value(address, count).await, 3.0);
    let failed = "edge_requests_total{service=\"app\",release=\"\",class=\"4xx\",outcome=\"failed\"}";
    assert_eq!(value(address, failed).await, 1.0);
    assert_eq!(value(address, "edge_limit_hits_total{limit=\"body_bytes\"}").await, 1.0);
    // The other client has left; the edge learns of it a moment later.
    until(|| edge.shared.connections.load(Ordering::Relaxed) == 1).await;
    assert_eq!(value(address, "edge_client_connections").await, 1.0);
    let place = upstream.address;
    let phase = format!("edge_target_phase{{service=\"app\",target=\"{place}\",release=\"1\",phase=\"healthy\"}}");
    assert_eq!(value(address, &phase).await, 1.0);
}

#[tokio::test]
async fn an_answer_of_the_edge_is_not_the_targets() {
    let upstream = Upstream::start(Does::Close).await;
    let edge = Edge::before(quick(), &[&upstream]).await;
    assert_eq!(edge.post("/", "a todo").await.status, 502);
    until(|| edge.counts("1").failed == 1).await;
    assert_eq!((edge.counts("1").answered, edge.counts("1").errors), (0, 0));
}

#[tokio::test]
async fn whoever_hangs_keeps_nobody_out() {
    let edge = Edge::start(quick());
    let address = reader(&edge).await;
    let mut hanging = Vec::new();
    for _ in 0..3 {
        hanging.push(TcpStream::connect(address).await.expect("a connection"));
    }
    let answer = read(address, "/metrics").await;
    assert_eq!(
        (answer.status, &answer.headers["content-type"]),
        (200, &"text/plain; version=0.0.4; charset=utf-8".parse().expect("a value"))
    );
    assert_eq!(read(address, "/").await.status, 404);
    let post = Request::post("/metrics").body(Full::default()).expect("a request");
    assert_eq!(ask(address, post).await.status, 405);
}
