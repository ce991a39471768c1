//! A write that arrives twice is done once.

use std::collections::HashSet;

use futures_util::future::join_all;
use hyper::Method;
use serde_json::json;
use testkit::database::Database;

use crate::support::{TestApp, json as json_type};

const ID: &str = "6f1c7e0a-4c1e-4b52-9a2f-3d7b0d5e91c4";

#[tokio::test]
async fn the_clients_id_makes_one_todo() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    let body = json!({ "id": ID, "title": "a" }).to_string();
    let first = app.post("/todos", body.clone()).await;
    let second = app.post("/todos", body).await;
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 200));
    assert_eq!(first.json(), second.json());
    assert_eq!(first.header("location"), second.header("location"));
    for other in [json!({"title": "b"}), json!({"title": "a", "completed": true}), json!({"title": "a", "order": 9})] {
        let mut other = other;
        other["id"] = json!(ID);
        app.post("/todos", other.to_string()).await.problem(409);
    }
    assert_eq!(app.titles().await, ["a"]);
}

#[tokio::test]
async fn an_idempotency_key_makes_one_todo() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    let send = |key: &'static str, title: &str| {
        let body = json!({ "title": title }).to_string();
        let app = &app;
        async move { app.send(Method::POST, "/todos", &[json_type(), ("idempotency-key", key)], body).await }
    };
    assert_eq!(send("k1", "a").await.status, 201);
    assert_eq!(send("k1", "a").await.status, 200);
    send("k1", "b").await.problem(409);
    assert_eq!(send("k2", "a").await.status, 201);
    assert_eq!(app.titles().await, ["a", "a"]);
}

#[tokio::test]
async fn twenty_at_once_make_one_todo() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    let body = json!({ "id": ID, "title": "a" }).to_string();
    let answers = join_all((0..20).map(|_| app.post("/todos", body.clone()))).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    let repeated = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!((made, repeated), (1, 19));
    let bodies: HashSet<_> = answers.iter().map(|answer| &answer.body).collect();
    assert_eq!(bodies.len(), 1);
    assert_eq!(database.sql("SELECT count(*) FROM todo"), "1");
}

#[tokio::test]
async fn changes_of_everything_at_once_do_not_block_each_other() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    for title in ["a", "b", "c", "d"] {
        app.make(title).await;
    }
    let toggles = (0..20).map(|turn| app.patch("/todos", json!({ "completed": turn % 2 == 0 }).to_string()));
    assert!(join_all(toggles).await.iter().all(|answer| answer.status == 200));
}
