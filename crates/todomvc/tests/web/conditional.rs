//! ETags: what has not changed is not sent again, and what has changed is not overwritten.

use hyper::Method;
use testkit::database::Database;

use crate::support::{TestApp, json as json_type};

#[tokio::test]
async fn what_is_known_is_not_sent_again() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    let todo = app.make("a").await;
    let item = format!("/todos/{}", todo["id"].as_str().unwrap());
    for path in ["/todos", &item] {
        let first = app.get(path).await;
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 2, "{tag}");
        assert_eq!(first.header("cache-control"), "no-cache");
        let second = app.send(Method::GET, path, &[("if-none-match", &tag)], "").await;
        assert_eq!((second.status.as_u16(), second.body.len()), (304, 0));
        assert_eq!(second.header("etag"), tag);
    }
    let (list, one) = (app.get("/todos").await, app.get(&item).await);
    app.patch(&item, r#"{"title":"b"}"#).await;
    for (path, before) in [("/todos", &list), (item.as_str(), &one)] {
        let after = app.send(Method::GET, path, &[("if-none-match", before.header("etag"))], "").await;
        assert_eq!(after.status, 200);
        assert_ne!(after.header("etag"), before.header("etag"));
    }
}

#[tokio::test]
async fn the_lists_tag_follows_every_kind_of_change() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    let mut seen = vec![tag_of_list(&app).await];
    let first = app.make("a").await;
    seen.push(tag_of_list(&app).await);
    app.make("b").await;
    seen.push(tag_of_list(&app).await);
    app.patch(&format!("/todos/{}", first["id"].as_str().unwrap()), r#"{"order":99}"#).await;
    seen.push(tag_of_list(&app).await);
    app.patch("/todos", r#"{"completed":true}"#).await;
    seen.push(tag_of_list(&app).await);
    app.delete(&format!("/todos/{}", first["id"].as_str().unwrap())).await;
    seen.push(tag_of_list(&app).await);
    let mut different = seen.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), seen.len(), "{seen:?}");
    app.delete("/todos").await;
    assert_eq!(tag_of_list(&app).await, seen[0], "the same content has the same tag");
}

#[tokio::test]
async fn a_change_of_an_old_version_is_refused() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    let made = app.post("/todos", r#"{"title":"a"}"#).await;
    let path = format!("/todos/{}", made.json()["id"].as_str().unwrap());
    let old = made.header("etag");
    let expecting = [json_type(), ("if-match", old)];
    let changed = app.send(Method::PATCH, &path, &expecting, r#"{"title":"b"}"#).await;
    assert_eq!(changed.status, 200);
    app.send(Method::PATCH, &path, &expecting, r#"{"title":"c"}"#).await.problem(412);
    app.send(Method::DELETE, &path, &expecting, "").await.problem(412);
    let either = format!("{old}, {}", changed.header("etag"));
    assert_eq!(app.send(Method::DELETE, &path, &[("if-match", &either)], "").await.status, 204);
    app.send(Method::DELETE, &path, &[("if-match", "*")], "").await.problem(404);
}

#[tokio::test]
async fn changes_of_everything_can_expect_a_version_too() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    app.make("a").await;
    let old = tag_of_list(&app).await;
    app.make("b").await;
    let expecting = [json_type(), ("if-match", old.as_str())];
    app.send(Method::PATCH, "/todos", &expecting, r#"{"completed":true}"#).await.problem(412);
    app.send(Method::DELETE, "/todos", &expecting, "").await.problem(412);
    assert_eq!(app.titles().await, ["a", "b"]);
    let new = tag_of_list(&app).await;
    assert_eq!(app.send(Method::DELETE, "/todos", &[("if-match", &new)], "").await.status, 204);
    assert!(app.titles().await.is_empty());
}

async fn tag_of_list(app: &TestApp) -> String {
    app.get("/todos").await.header("etag").to_owned()
}
