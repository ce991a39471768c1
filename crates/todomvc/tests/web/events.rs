//! Changes reach every open page, on whichever replica it is.

use std::time::Duration;

use serde_json::json;
use testkit::database::Database;
use tokio::time::timeout;

use crate::support::{Door, EventStream, TestApp};

#[tokio::test]
async fn two_replicas_tell_the_same_changes_in_the_same_order() {
    let database = Database::create();
    let (one, two) = (TestApp::start(&database).await, TestApp::start(&database).await);
    let (mut near, mut far) = (listening(&one, &database).await, listening(&two, &database).await);
    settled(&database, &mut [&mut near, &mut far]).await;
    let todo = one.make("a \"quoted\" title\n").await;
    let path = format!("/todos/{}", todo["id"].as_str().unwrap());
    let changed = two.patch(&path, r#"{"completed":true}"#).await.json();
    one.delete(&path).await;
    for (app, stream) in [(&one, &mut near), (&two, &mut far)] {
        for expected in [&todo, &changed] {
            let change = stream.change().await;
            assert_eq!(change["type"], "put");
            assert_eq!(change["todo"]["title"], expected["title"]);
            assert_eq!(change["todo"]["completed"], expected["completed"]);
            assert_eq!(change["todo"]["url"], format!("http://{}{path}", app.address));
        }
        assert_eq!(stream.change().await, json!({ "type": "delete", "ids": [todo["id"]] }));
    }
}

#[tokio::test]
async fn the_stream_begins_with_the_lists_tag() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    app.make("a").await;
    let mut stream = EventStream::open(&app).await;
    let (event, data) = stream.next().await.unwrap();
    assert_eq!(event, "reset");
    assert_eq!(data["revision"], app.get("/todos").await.header("etag"));
}

#[tokio::test]
async fn changes_of_many_are_told_as_one() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    for title in ["a", "b"] {
        app.make(title).await;
    }
    let mut stream = listening(&app, &database).await;
    app.patch("/todos", r#"{"completed":true}"#).await;
    assert_eq!(stream.change().await, json!({ "type": "reset" }));
    app.delete("/todos?completed=true").await;
    let change = stream.change().await;
    assert_eq!((change["type"].as_str(), change["ids"].as_array().unwrap().len()), (Some("delete"), 2));
}

#[tokio::test]
async fn the_longest_title_fits_and_too_many_deletions_are_a_reset() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    let mut stream = listening(&app, &database).await;
    let title = "\u{1}".repeat(500);
    app.make(&title).await;
    assert_eq!(stream.change().await["todo"]["title"], title);
    database.sql(
        "INSERT INTO todo (id, title, \"order\") SELECT gen_random_uuid(), 'x', n FROM generate_series(1, 200) AS n",
    );
    assert_eq!(stream.change().await, json!({ "type": "reset" }));
    app.delete("/todos").await;
    assert_eq!(stream.change().await, json!({ "type": "reset" }));
}

#[tokio::test]
async fn a_repeated_write_is_not_told_again() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    let mut stream = listening(&app, &database).await;
    let body = r#"{"id":"6f1c7e0a-4c1e-4b52-9a2f-3d7b0d5e91c4","title":"a"}"#;
    app.post("/todos", body).await;
    app.post("/todos", body).await;
    app.make("b").await;
    assert_eq!(stream.change().await["todo"]["title"], "a");
    assert_eq!(stream.change().await["todo"]["title"], "b");
}

#[tokio::test]
async fn after_a_lost_connection_everyone_is_told_to_catch_up() {
    let database = Database::create();
    let mut door = Door::to(database.port()).await;
    let behind_the_door = TestApp::start_with(&[("DATABASE_URL", &database.url_at(door.port))]).await;
    let other = TestApp::start(&database).await;
    let mut stream = listening(&behind_the_door, &database).await;
    door.shut().await;
    other.make("missed").await;
    let tag = other.get("/todos").await.header("etag").to_owned();
    door.open().await;
    assert_eq!(stream.until("reset").await["revision"], tag);
    other.make("heard").await;
    assert_eq!(stream.change().await["todo"]["title"], "heard");
}

#[tokio::test]
async fn a_stream_opened_while_the_database_is_away_begins_when_it_is_back() {
    let database = Database::create();
    let mut door = Door::to(database.port()).await;
    let app = TestApp::start_with(&[("DATABASE_URL", &database.url_at(door.port))]).await;
    door.shut().await;
    let mut stream = EventStream::open(&app).await;
    door.open().await;
    stream.until("reset").await;
}

#[tokio::test]
async fn a_client_that_fell_behind_is_told_to_catch_up() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    let mut stream = listening(&app, &database).await;
    // Far more than the sockets and the backlog hold, in transactions of their own.
    database.sql(
        "DO $$ BEGIN FOR n IN 1..5000 LOOP \
         PERFORM pg_notify('todo_change', json_build_object('type', 'delete', 'ids', \
             (SELECT json_agg(gen_random_uuid()) FROM generate_series(1, 100)))::text); \
         END LOOP; END $$",
    );
    stream.until("reset").await;
}

/// A stream of a replica that hears the database: announcements that nobody understands, and which are passed on as
/// resets, are made until one of them arrives.
async fn listening(app: &TestApp, database: &Database) -> EventStream {
    let mut stream = EventStream::open(app).await;
    loop {
        database.sql("SELECT pg_notify('todo_change', 'is anybody there?')");
        let event = timeout(Duration::from_millis(200), stream.next()).await;
        if event.is_ok_and(|event| event.is_some_and(|(name, _)| name == "change")) {
            break;
        }
    }
    settled(database, &mut [&mut stream]).await;
    stream
}

/// Reads everything that was announced until now, up to an announcement that no other is like.
async fn settled(database: &Database, streams: &mut [&mut EventStream]) {
    let marker = database.sql("SELECT gen_random_uuid()");
    let announcement = json!({ "type": "delete", "ids": [marker] });
    database.sql(&format!("SELECT pg_notify('todo_change', '{announcement}')"));
    for stream in streams {
        while stream.until("change").await != announcement {}
    }
}
