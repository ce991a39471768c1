//! `migrate` on fresh, used, changed and newer databases, and twice at once.

use std::time::Duration;

use testkit::database::Database;
use todomvc::migrate::{self, MigrateError};

use crate::support::{Door, TestApp, config};

#[tokio::test]
async fn a_fresh_database_gets_every_file_once() {
    let database = Database::create();
    let first = migrated(&database.url()).await.unwrap();
    assert_eq!(first, ["applied `0001_todos.sql`", "applied `0002_notify_changes.sql`"]);
    assert_eq!(migrated(&database.url()).await.unwrap(), ["the database is at 2; nothing to do"]);
    assert_eq!(database.sql("SELECT count(*) FROM schema_migration"), "2");
}

#[tokio::test]
async fn several_at_once_take_turns() {
    let database = Database::create();
    let url = database.url();
    let (one, two, three) = tokio::join!(migrated(&url), migrated(&url), migrated(&url));
    let said = [one.unwrap(), two.unwrap(), three.unwrap()].concat();
    assert_eq!(said.iter().filter(|line| line.starts_with("applied")).count(), 2, "{said:?}");
    assert_eq!(said.iter().filter(|line| line.ends_with("nothing to do")).count(), 2, "{said:?}");
}

#[tokio::test]
async fn a_changed_file_is_refused_and_named() {
    let database = Database::create();
    migrated(&database.url()).await.unwrap();
    database.sql("UPDATE schema_migration SET checksum = 'other' WHERE version = 1");
    let error = migrated(&database.url()).await.unwrap_err();
    assert!(matches!(error, MigrateError::Changed { .. }), "{error}");
    assert!(error.to_string().contains("`0001_todos.sql`"), "{error}");
}

#[tokio::test]
async fn a_failing_file_leaves_nothing_of_itself() {
    let database = Database::create();
    // The second file makes a function of this name.
    database.sql("CREATE FUNCTION todo_notify() RETURNS int LANGUAGE sql AS 'SELECT 1'");
    let error = migrated(&database.url()).await.unwrap_err();
    assert!(error.to_string().contains("`0002_notify_changes.sql`"), "{error}");
    assert_eq!(database.sql("SELECT max(version) FROM schema_migration"), "1");
    database.sql("DROP FUNCTION todo_notify");
    assert_eq!(migrated(&database.url()).await.unwrap(), ["applied `0002_notify_changes.sql`"]);
}

#[tokio::test]
async fn a_newer_database_is_fine() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    database.sql("INSERT INTO schema_migration (version, name, checksum) VALUES (9, '0009_x.sql', 'x')");
    let said = migrated(&database.url()).await.unwrap();
    assert_eq!(said, ["the database is at 9, newer than this binary (2); nothing to do"]);
    assert_eq!(app.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn the_database_is_waited_for() {
    let database = Database::create();
    let mut door = Door::to(database.port()).await;
    door.shut().await;
    let url = database.url_at(door.port);
    let late = config(&[("DATABASE_URL", &url)]).database;
    let error = migrate::run(&late, Duration::from_millis(200), |_| ()).await.unwrap_err();
    assert!(matches!(error, MigrateError::Database(_)), "{error}");
    let waiting = tokio::spawn(async move { migrated(&url).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    door.open().await;
    assert_eq!(waiting.await.unwrap().unwrap().len(), 2);
}

async fn migrated(url: &str) -> Result<Vec<String>, MigrateError> {
    let mut said = Vec::new();
    migrate::run(&config(&[("DATABASE_URL", url)]).database, Duration::from_secs(60), |line| said.push(line)).await?;
    Ok(said)
}

/// `mainstay rollback` believes the image's labels.
#[test]
fn the_image_says_which_schema_it_brings() {
    let dockerfile = include_str!("../../../../images/todomvc/Dockerfile");
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let newest = names.filter_map(|name| name.split('_').next()?.parse::<u32>().ok()).max().unwrap();
    assert!(dockerfile.contains(&format!("LABEL mainstay.schema=\"{newest}\" ")), "{newest} is the newest migration");
}
