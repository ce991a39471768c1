//! One client does not get everything, and who stands behind a proxy is known by it.

use std::sync::atomic::Ordering;

use http_body_util::Full;
use hyper::Request;
use mainstay_edge::limit::Limit;
use mainstay_edge::settings::{ClientSettings, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Client, Does, Edge, Upstream, ask, quick, until};

fn settings(change: impl FnOnce(&mut ClientSettings)) -> Settings {
    let mut settings = quick();
    change(&mut settings.clients);
    settings
}

fn here() -> Vec<mainstay_edge::client::Net> {
    vec!["127.0.0.0/8".parse().expect("a network")]
}

#[tokio::test]
async fn a_connection_too_many_is_closed() {
    let upstream = Upstream::start(Does::Answer(0)).await;
    let edge = Edge::before(settings(|clients| clients.client_connections = 2), &[&upstream]).await;
    let (mut one, mut two) = (Client::new(edge.address).await, Client::new(edge.address).await);
    let get = || Request::get("/").body(Full::default()).expect("a request");
    assert_eq!(one.ask(get()).await.expect("an answer").status, 200);
    assert_eq!(two.ask(get()).await.expect("an answer").status, 200);
    let mut third = TcpStream::connect(edge.address).await.expect("a connection");
    assert!(third.read(&mut [0]).await.is_ok_and(|read| read == 0), "it is closed without a word");
    assert_eq!(edge.shared.hits.of(Limit::ClientConnections), 1);
    drop(one);
    until(|| edge.shared.connections.load(Ordering::Relaxed) == 1).await;
    assert_eq!(edge.get("/").await.status, 200);
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_again() {
    let upstream = Upstream::start(Does::Answer(0)).await;
    let limited = settings(|clients| (clients.client_rate, clients.client_burst) = (Some(0.01), 2));
    let edge = Edge::before(limited, &[&upstream]).await;
    let mut client = Client::new(edge.address).await;
    let get = || Request::get("/").body(Full::default()).expect("a request");
    for status in [200, 200, 429, 429] {
        assert_eq!(client.ask(get()).await.expect("an answer").status, status);
    }
    let refused = edge.get("/").await;
    let seconds: u64 = refused.headers["retry-after"].to_str().expect("text").parse().expect("seconds");
    assert!((1..=101).contains(&seconds), "{seconds}");
    assert_eq!(upstream.count(), 2);
    until(|| edge.counts("").refused == 3).await;
    assert_eq!((edge.counts("").failed, edge.shared.hits.of(Limit::ClientRate)), (0, 3));
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_is_itself() {
    let upstream = Upstream::start(Does::Answer(0)).await;
    let behind = settings(|clients| {
        (clients.client_rate, clients.client_burst, clients.trusted) = (Some(0.01), 1, here());
    });
    let edge = Edge::before(behind, &[&upstream]).await;
    let from = async |client: &str| {
        let request = Request::get("/").header("x-forwarded-for", client).header("x-forwarded-proto", "https");
        ask(edge.address, request.body(Full::default()).expect("a request")).await.status
    };
    assert_eq!(from("203.0.113.7").await, 200);
    assert_eq!(from("203.0.113.7").await, 429);
    assert_eq!(from("203.0.113.7, 203.0.113.8").await, 200, "what stands left of the client's address is its own word");
    assert_eq!(edge.get("/").await.status, 200);
    assert_eq!(edge.get("/").await.status, 200, "the proxy itself has no limit");
    until(|| edge.lines.all().len() == 5).await;
    assert_eq!(edge.lines.all()[2]["client"], "203.0.113.8");
    let seen = upstream.seen.lock().expect("what was seen");
    assert_eq!(seen[1].headers()["x-forwarded-for"], "203.0.113.8");
    assert_eq!(seen[1].headers()["x-forwarded-proto"], "https");
}

#[tokio::test]
async fn a_connection_that_became_a_websocket_still_counts() {
    let upstream = Upstream::start(Does::WebSocket).await;
    let edge = Edge::before(settings(|clients| clients.client_connections = 1), &[&upstream]).await;
    let mut socket = TcpStream::connect(edge.address).await.expect("a connection");
    let head = "GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    socket.write_all(head.as_bytes()).await.expect("it is sent");
    let mut answer = [0; 12];
    let _ = socket.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(&answer, b"HTTP/1.1 101");
    let mut second = TcpStream::connect(edge.address).await.expect("a connection");
    assert!(second.read(&mut [0]).await.is_ok_and(|read| read == 0), "it is closed without a word");
    drop(socket);
    until(|| edge.shared.connections.load(Ordering::Relaxed) == 0).await;
    let _third = Client::new(edge.address).await;
    until(|| edge.shared.connections.load(Ordering::Relaxed) == 1).await;
}
