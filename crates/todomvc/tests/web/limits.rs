//! Slow clients, and lists of ten thousand.

use std::collections::HashSet;

use hyper::Method;
use testkit::database::Database;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{EventStream, TestApp, wait_until};

#[tokio::test]
async fn a_body_that_does_not_arrive_is_a_timeout() {
    let database = Database::create();
    let app = TestApp::start_with(&[("DATABASE_URL", &database.url()), ("REQUEST_DEADLINE_SECONDS", "1")]).await;
    let mut slow = TcpStream::connect(app.address).await.unwrap();
    let head =
        "POST /todos HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{\"title\":";
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");
    assert!(app.titles().await.is_empty());
}

#[tokio::test]
async fn a_body_cut_off_makes_nothing() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    let mut broken = TcpStream::connect(app.address).await.unwrap();
    let head = "POST /todos HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{\"title\":\"a\"}";
    broken.write_all(head.as_bytes()).await.unwrap();
    broken.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = broken.read_to_end(&mut answer).await;
    assert!(app.titles().await.is_empty());
}

#[tokio::test]
async fn ten_thousand_todos_are_listed_completed_and_deleted() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    database.sql(
        "INSERT INTO todo (id, title, \"order\") \
         SELECT gen_random_uuid(), 'todo ' || n, n FROM generate_series(1, 10000) AS n",
    );
    let list = app.get("/todos").await;
    let todos = list.json();
    let todos = todos.as_array().unwrap();
    let ids: HashSet<&str> = todos.iter().map(|todo| todo["id"].as_str().unwrap()).collect();
    assert_eq!((todos.len(), ids.len()), (10_000, 10_000));
    assert_eq!((&todos[0]["title"], &todos[9_999]["title"]), (&"todo 1".into(), &"todo 10000".into()));
    let again = app.send(Method::GET, "/todos", &[("if-none-match", list.header("etag"))], "").await;
    assert_eq!(again.status, 304);
    let completed = app.patch("/todos", r#"{"completed":true}"#).await.json();
    assert!(completed.as_array().unwrap().iter().all(|todo| todo["completed"] == true));
    assert_eq!(app.delete("/todos?completed=true").await.status, 204);
    assert!(app.titles().await.is_empty());
}

#[tokio::test]
async fn event_streams_are_bounded_and_requests_go_on() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    let mut streams = Vec::new();
    for _ in 0..500 {
        streams.push(EventStream::open(&app).await);
    }
    let one_more = app.get("/events").await;
    one_more.problem(503);
    assert_eq!(one_more.header("retry-after"), "1");
    assert_eq!(app.get("/todos").await.status, 200);
    drop(streams.pop());
    let metric = "todomvc_event_streams 499";
    wait_until(|| async {
        String::from_utf8_lossy(&app.get("/metrics").await.body).lines().any(|line| line == metric)
    })
    .await;
    EventStream::open(&app).await.until("reset").await;
}
