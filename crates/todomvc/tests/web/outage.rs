//! The database goes away and comes back: requests wait for it, and nobody sees an error unless it stays away.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use testkit::database::Database;
use tokio::time::sleep;
use tokio_postgres::{Client, NoTls};

use crate::support::{Door, TestApp, wait_until};

#[tokio::test]
async fn a_request_waits_for_a_database_that_comes_back() {
    let database = Database::create();
    let mut door = Door::to(database.port()).await;
    let app = Arc::new(TestApp::start_with(&[("DATABASE_URL", &database.url_at(door.port))]).await);
    app.make("before").await;
    door.shut().await;
    let (reader, writer) = (Arc::clone(&app), Arc::clone(&app));
    let read = tokio::spawn(async move { reader.get("/todos").await });
    let written = tokio::spawn(async move { writer.make("during").await });
    // Until both have met the shut door.
    wait_until(|| async { retries(&app).await >= 2 }).await;
    assert!(!read.is_finished() && !written.is_finished());
    door.open().await;
    assert_eq!(read.await.unwrap().status, 200);
    assert_eq!(written.await.unwrap()["title"], "during");
    assert_eq!(app.titles().await, ["before", "during"]);
}

#[tokio::test]
async fn a_database_that_stays_away_is_a_503_and_not_a_hang() {
    let database = Database::create();
    let mut door = Door::to(database.port()).await;
    let url = database.url_at(door.port);
    let app = TestApp::start_with(&[("DATABASE_URL", &url), ("REQUEST_DEADLINE_SECONDS", "1")]).await;
    door.shut().await;
    let todo = "/todos/6f1c7e0a-4c1e-4b52-9a2f-3d7b0d5e91c4";
    let answers = [app.get("/todos").await, app.post("/todos", r#"{"title":"a"}"#).await, app.patch(todo, "{}").await];
    for answer in answers {
        answer.problem(503);
        assert_eq!(answer.header("retry-after"), "1");
    }
    app.get("/readyz").await.problem(503);
    assert_eq!(app.get("/livez").await.status, 200);
    door.open().await;
    assert_eq!(app.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn a_process_starts_before_its_database() {
    let database = Database::create();
    let mut door = Door::to(database.port()).await;
    door.shut().await;
    let url = database.url_at(door.port);
    let app = TestApp::start_unmigrated(&[("DATABASE_URL", &url), ("REQUEST_DEADLINE_SECONDS", "1")]).await;
    app.get("/readyz").await.problem(503);
    door.open().await;
    let reason = app.get("/readyz").await.problem(503);
    assert!(reason.contains("todomvc migrate"), "{reason}");
}

#[tokio::test]
async fn a_connection_cut_in_mid_use_goes_unnoticed() {
    let database = Database::create();
    let app = Arc::new(TestApp::start(&database).await);
    let id = app.make("a").await["id"].as_str().unwrap().to_owned();
    for turn in 0..10 {
        // The write waits for this lock while its connection is cut.
        let holder = hold_lock(&database).await;
        let writer = Arc::clone(&app);
        let path = format!("/todos/{id}");
        let written = tokio::spawn(async move { writer.patch(&path, json!({ "order": turn }).to_string()).await });
        until_blocked(&database).await;
        cut_blocked(&database);
        drop(holder);
        let answer = written.await.unwrap();
        assert_eq!((answer.status.as_u16(), &answer.json()["order"]), (200, &json!(turn)));
    }
    assert!(retries(&app).await >= 10);
}

#[tokio::test]
async fn every_connection_cut_at_once_costs_no_request() {
    let database = Database::create();
    let app = Arc::new(TestApp::start(&database).await);
    let requests: Vec<_> = (0..40)
        .map(|turn| {
            let app = Arc::clone(&app);
            tokio::spawn(async move {
                sleep(Duration::from_millis(turn * 5)).await;
                app.make(&format!("todo {turn}")).await
            })
        })
        .collect();
    for _ in 0..5 {
        database.sql(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
        sleep(Duration::from_millis(30)).await;
    }
    for request in requests {
        request.await.unwrap();
    }
    assert_eq!(database.sql("SELECT count(*) FROM todo"), "40");
}

#[tokio::test]
async fn a_statement_that_does_not_end_is_a_504() {
    let database = Database::create();
    let app = TestApp::start_with(&[("DATABASE_URL", &database.url()), ("REQUEST_DEADLINE_SECONDS", "1")]).await;
    let id = app.make("a").await["id"].as_str().unwrap().to_owned();
    let holder = hold_lock(&database).await;
    app.patch(&format!("/todos/{id}"), r#"{"title":"b"}"#).await.problem(504);
    drop(holder);
    assert_eq!(app.make("b").await["title"], "b");
}

#[tokio::test]
async fn a_write_whose_client_leaves_is_finished() {
    let database = Database::create();
    let app = Arc::new(TestApp::start(&database).await);
    let id = app.make("a").await["id"].as_str().unwrap().to_owned();
    let holder = hold_lock(&database).await;
    let path = format!("/todos/{id}");
    let client = Arc::clone(&app);
    let request = tokio::spawn(async move { client.patch(&path, r#"{"title":"b"}"#).await });
    until_blocked(&database).await;
    request.abort();
    let _ = request.await;
    // Also an attempt that fails after the client has left is made again.
    cut_blocked(&database);
    drop(holder);
    wait_until(|| async { database.sql("SELECT title FROM todo") == "b" }).await;
}

/// Writers that wait for the lock.
const BLOCKED: &str =
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";

/// Waits until a writer waits for the lock.
async fn until_blocked(database: &Database) {
    wait_until(|| async { database.sql(&format!("SELECT count(*) FROM ({BLOCKED}) AS blocked")) == "1" }).await;
}

/// Cuts the connections of the writers that wait for the lock.
fn cut_blocked(database: &Database) {
    database.sql(&format!("SELECT count(pg_terminate_backend(pid)) FROM ({BLOCKED}) AS blocked"));
}

/// A lock that no write passes, until it is dropped.
async fn hold_lock(database: &Database) -> Client {
    let (client, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("BEGIN; LOCK TABLE todo IN SHARE ROW EXCLUSIVE MODE").await.unwrap();
    client
}

/// How often the application has tried again.
async fn retries(app: &TestApp) -> u64 {
    let metrics = app.get("/metrics").await;
    let text = std::str::from_utf8(&metrics.body).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("todomvc_database_retries_total "));
    line.unwrap().parse().unwrap()
}
