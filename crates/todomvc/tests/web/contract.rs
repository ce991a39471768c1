//! What the API promises: the Todo-Backend contract and what this application adds to it.

use hyper::Method;
use serde_json::json;
use testkit::database::Database;

use crate::support::TestApp;

#[tokio::test]
async fn a_new_todo_has_every_field_and_its_url_leads_to_it() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    let made = app.post("/todos", r#"{"title":"  walk the dog "}"#).await;
    assert_eq!(made.status, 201);
    let todo = made.json();
    assert_eq!(todo["title"], "walk the dog");
    assert_eq!(todo["completed"], false);
    assert_eq!(todo["order"], 1);
    let url = todo["url"].as_str().unwrap();
    assert_eq!(url, format!("http://{}/todos/{}", app.address, todo["id"].as_str().unwrap()));
    assert_eq!(made.header("location"), url);
    let path = url.strip_prefix(&format!("http://{}", app.address)).unwrap();
    assert_eq!(app.get(path).await.json(), todo);
    assert_eq!(app.get("/todos").await.json(), json!([todo]));
}

#[tokio::test]
async fn the_public_url_is_the_base_of_every_url() {
    let database = Database::create();
    let variables = [("DATABASE_URL", database.url()), ("PUBLIC_URL", "https://todo.example/".to_owned())];
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let app = TestApp::start_with(&variables).await;
    let todo = app.make("a").await;
    assert_eq!(todo["url"], format!("https://todo.example/todos/{}", todo["id"].as_str().unwrap()));
}

#[tokio::test]
async fn a_patch_changes_the_fields_that_it_names() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    let mut todo = app.make("a").await;
    let path = format!("/todos/{}", todo["id"].as_str().unwrap());
    for (field, value) in [("title", json!("b")), ("completed", json!(true)), ("order", json!(i64::MIN))] {
        todo[field] = value.clone();
        let answer = app.patch(&path, json!({ field: value }).to_string()).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, todo.clone()));
        assert_eq!(app.get(&path).await.json(), todo);
    }
    assert_eq!(app.patch(&path, "{}").await.json(), todo);
}

#[tokio::test]
async fn a_whole_todo_can_be_sent_back_as_it_came() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    let todo = app.make("a").await;
    let answer = app.patch(&format!("/todos/{}", todo["id"].as_str().unwrap()), todo.to_string()).await;
    assert_eq!(answer.json(), todo);
}

#[tokio::test]
async fn a_deleted_todo_is_gone() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    let path = format!("/todos/{}", app.make("a").await["id"].as_str().unwrap());
    assert_eq!(app.delete(&path).await.status, 204);
    for answer in [app.get(&path).await, app.delete(&path).await, app.patch(&path, "{}").await] {
        answer.problem(404);
    }
}

#[tokio::test]
async fn the_list_is_in_order_and_new_todos_go_to_its_end() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    for (title, order) in [("c", 30), ("a", 10), ("b1", 20), ("b2", 20)] {
        app.post("/todos", json!({ "title": title, "order": order }).to_string()).await;
    }
    app.make("d").await;
    assert_eq!(app.titles().await, ["a", "b1", "b2", "c", "d"]);
}

#[tokio::test]
async fn after_the_largest_order_there_is_room() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    app.post("/todos", json!({ "title": "a", "order": i64::MAX }).to_string()).await;
    assert_eq!(app.make("b").await["order"], i64::MAX);
    assert_eq!(app.titles().await, ["a", "b"]);
}

#[tokio::test]
async fn all_are_completed_and_reopened_in_one_request() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    app.make("a").await;
    app.make("b").await;
    for completed in [true, true, false] {
        let answer = app.patch("/todos", json!({ "completed": completed }).to_string()).await;
        assert_eq!(answer.status, 200);
        let list = answer.json();
        assert!(list.as_array().unwrap().iter().all(|todo| todo["completed"] == completed), "{list}");
        assert_eq!(list.as_array().unwrap().len(), 2);
    }
    app.patch("/todos", "{}").await.problem(422);
}

#[tokio::test]
async fn completed_todos_are_cleared_and_then_the_others() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    app.post("/todos", r#"{"title":"done","completed":true}"#).await;
    app.make("open").await;
    app.delete("/todos?completed=tru").await.problem(400);
    assert_eq!(app.delete("/todos?completed=true").await.status, 204);
    assert_eq!(app.titles().await, ["open"]);
    assert_eq!(app.delete("/todos").await.status, 204);
    assert_eq!(app.get("/todos").await.json(), json!([]));
}

#[tokio::test]
async fn head_says_what_get_would_without_the_body() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    app.make("a").await;
    let (get, head) = (app.get("/todos").await, app.send(Method::HEAD, "/todos", &[], "").await);
    assert_eq!(head.status, 200);
    assert!(head.body.is_empty());
    assert_eq!(head.header("etag"), get.header("etag"));
    assert_eq!(head.header("content-length"), get.body.len().to_string());
}
