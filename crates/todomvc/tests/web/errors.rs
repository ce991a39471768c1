//! Every class of error is a problem document with the right status.

use bytes::Bytes;
use hyper::Method;
use serde_json::json;
use testkit::database::Database;

use crate::support::{TestApp, json as json_type};

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    for path in ["/nothing", "/a/b", "/todos/", "/todos/1", "/todos/%FF", "/todos/6f1c7e0a-4c1e-4b52-9a2f-3d7b0d5e91c4"]
    {
        app.get(path).await.problem(404);
    }
    let braces = "/todos/%7B6f1c7e0a-4c1e-4b52-9a2f-3d7b0d5e91c4%7D";
    app.patch(braces, "{}").await.problem(404);
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    for (method, path, allowed) in [
        (Method::PUT, "/todos", "GET, HEAD, POST, PATCH, DELETE, OPTIONS"),
        (Method::POST, "/todos/6f1c7e0a-4c1e-4b52-9a2f-3d7b0d5e91c4", "GET, HEAD, PATCH, DELETE, OPTIONS"),
        (Method::DELETE, "/", "GET, HEAD, OPTIONS"),
        (Method::POST, "/events", "GET, HEAD, OPTIONS"),
        (Method::from_bytes(b"BREW").unwrap(), "/livez", "GET, HEAD, OPTIONS"),
    ] {
        let answer = app.send(method, path, &[], "").await;
        answer.problem(405);
        assert_eq!(answer.header("allow"), allowed);
    }
}

#[tokio::test]
async fn what_is_not_json_is_a_bad_request() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    let deep = format!(r#"{{"title":"a","x":{}}}"#, "[".repeat(10_000));
    for body in ["", "{", "title", r#"{"title":"a"} x"#, r#"{"title":"\ud800"}"#, &deep] {
        app.post("/todos", body.to_owned()).await.problem(400);
    }
    let broken = Bytes::from_static(b"{\"title\":\"\xff\xfe\"}");
    assert_eq!(app.post("/todos", broken).await.problem(400), "the body is not UTF-8");
}

#[tokio::test]
async fn what_is_json_and_makes_no_sense_is_unprocessable() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    let todo = app.make("a").await;
    let path = format!("/todos/{}", todo["id"].as_str().unwrap());
    for body in [
        r#"{"title":""}"#,
        r#"{"title":" \t "}"#,
        r#"{"title":"a\u0000b"}"#,
        r#"{"title":1}"#,
        r#"{"title":null}"#,
        r#"{"title":"a","completed":"yes"}"#,
        r#"{"title":"a","order":1.5}"#,
        r#"{"title":"a","order":9223372036854775808}"#,
        r#"{"title":"a","order":1e400}"#,
        r#"{"title":"a","title":"b"}"#,
        r#"["a"]"#,
        "\"a\"",
        "null",
    ] {
        let (new, changed) = (app.post("/todos", body).await, app.patch(&path, body).await);
        assert_eq!((new.status.as_u16(), changed.status.as_u16()), expected(body), "{body}: {new:?}");
    }
    let long = json!({ "title": "é".repeat(501) }).to_string();
    app.post("/todos", long.clone()).await.problem(422);
    app.patch(&path, long).await.problem(422);
    for body in ["{}", r#"{"title":"a","id":"7"}"#, r#"{"title":"a","id":7}"#, r#"{"title":"a","id":null}"#] {
        app.post("/todos", body).await.problem(422);
    }
    assert_eq!(app.get(&path).await.json(), todo);
}

/// A number that no float can hold is no JSON number for the parser; everything else is one.
fn expected(body: &str) -> (u16, u16) {
    if body.contains("1e400") { (400, 400) } else { (422, 422) }
}

#[tokio::test]
async fn only_json_is_taken() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""] {
        let headers = [("content-type", content_type)];
        app.send(Method::POST, "/todos", &headers, r#"{"title":"a"}"#).await.problem(415);
    }
    for content_type in ["application/json; charset=utf-8", "APPLICATION/JSON", "application/merge-patch+json"] {
        let headers = [("content-type", content_type)];
        assert_eq!(app.send(Method::POST, "/todos", &headers, r#"{"title":"a"}"#).await.status, 201);
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_the_application_lives_on() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    for size in [65 * 1024, 1024 * 1024, 10 * 1024 * 1024] {
        let body = json!({ "title": "a".repeat(size) }).to_string();
        app.post("/todos", body).await.problem(413);
    }
    let expecting = [json_type(), ("expect", "100-continue")];
    app.send(Method::POST, "/todos", &expecting, vec![b' '; 70_000]).await.problem(413);
    let fits = format!("{}{}", " ".repeat(60_000), r#"{"title":"a"}"#);
    assert_eq!(app.post("/todos", fits).await.status, 201);
}

#[tokio::test]
async fn a_strange_idempotency_key_is_a_bad_request() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    for key in ["", &"k".repeat(256)] {
        let headers = [json_type(), ("idempotency-key", key)];
        app.send(Method::POST, "/todos", &headers, r#"{"title":"a"}"#).await.problem(400);
    }
}
