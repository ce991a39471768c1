//! After SIGTERM: nothing new, what is in flight ends, streams end, and then the process.

use std::time::Duration;

use testkit::database::Database;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{EventStream, TestApp, wait_until};

#[tokio::test]
async fn a_request_in_flight_is_finished_and_streams_end() {
    let database = Database::create();
    let mut app = TestApp::start(&database).await;
    let mut stream = EventStream::open(&app).await;
    stream.until("reset").await;
    let mut request = TcpStream::connect(app.address).await.unwrap();
    let body = r#"{"title":"last"}"#;
    let head = format!(
        "POST /todos HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    request.write_all(head.as_bytes()).await.unwrap();
    wait_until(|| async { in_flight(&app).await == 2 }).await;
    app.stop();
    // The stream ends as it should, and is not broken off.
    while stream.next().await.is_some() {}
    let address = app.address;
    wait_until(|| async move { TcpStream::connect(address).await.is_err() }).await;
    request.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    request.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    app.ended().await;
    assert_eq!(database.sql("SELECT title FROM todo"), "last");
}

#[tokio::test]
async fn a_request_on_an_open_connection_hears_that_the_process_stops() {
    let database = Database::create();
    let mut app = TestApp::start(&database).await;
    let mut probe = TcpStream::connect(app.address).await.unwrap();
    // The head has begun to arrive, so the connection is not closed as an idle one.
    probe.write_all(b"GET /readyz HTTP/1.1\r\n").await.unwrap();
    let mut held = TcpStream::connect(app.address).await.unwrap();
    held.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    held.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
    app.stop();
    probe.write_all(b"host: x\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    probe.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("stopping"), "{answer}");
    app.ended().await;
}

#[tokio::test]
async fn during_the_delay_it_answers_and_says_that_it_leaves() {
    let database = Database::create();
    let variables = [("DATABASE_URL", &*database.url()), ("SHUTDOWN_DELAY_SECONDS", "3600")];
    let mut app = TestApp::start_with(&variables).await;
    assert_eq!(app.get("/readyz").await.status, 200);
    app.stop();
    wait_until(|| async { app.get("/readyz").await.status == 503 }).await;
    assert!(app.get("/readyz").await.problem(503).contains("stopping"));
    app.make("made while leaving").await;
}

#[tokio::test]
async fn the_grace_is_the_longest_it_takes() {
    let database = Database::create();
    let variables = [("DATABASE_URL", database.url()), ("SHUTDOWN_GRACE_SECONDS", "1".to_owned())];
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut app = TestApp::start_with(&variables).await;
    let mut endless = TcpStream::connect(app.address).await.unwrap();
    let head = "POST /todos HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{";
    endless.write_all(head.as_bytes()).await.unwrap();
    wait_until(|| async { in_flight(&app).await == 2 }).await;
    app.stop();
    tokio::time::timeout(Duration::from_secs(30), app.ended()).await.expect("it waits beyond the grace");
}

/// Requests being answered, the one that asks included.
async fn in_flight(app: &TestApp) -> u32 {
    let metrics = app.get("/metrics").await;
    let text = std::str::from_utf8(&metrics.body).unwrap();
    text.lines().find_map(|line| line.strip_prefix("todomvc_http_requests_in_flight ")).unwrap().parse().unwrap()
}
