//! The page and its files, and the headers that protect every answer.

use std::fs;
use std::path::Path;

use hyper::Method;
use testkit::database::Database;

use crate::support::TestApp;

#[tokio::test]
async fn every_file_of_the_folder_is_served_and_checked_by_its_tag() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with('.') || !entry.file_type().unwrap().is_file() {
            continue;
        }
        let path = format!("/{name}");
        let answer = app.get(&path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.body, fs::read(entry.path()).unwrap(), "{path}");
        assert_eq!(answer.header("cache-control"), "no-cache", "{path}");
        assert_ne!(answer.header("content-type"), "application/octet-stream", "{path}");
        let again = app.send(Method::GET, &path, &[("if-none-match", answer.header("etag"))], "").await;
        assert_eq!(again.status, 304, "{path}");
        if name == "index.html" {
            assert_eq!(app.get("/").await.body, answer.body);
        }
    }
    app.get("/.gitkeep").await.problem(404);
    app.get("/..%2fCargo.toml").await.problem(404);
}

#[tokio::test]
async fn every_answer_is_protected_and_has_an_id() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    for path in ["/", "/todos", "/nothing", "/livez"] {
        let answer = app.get(path).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "no-referrer");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin");
        assert_eq!(answer.header("cross-origin-resource-policy"), "cross-origin");
        assert!(!answer.header("permissions-policy").is_empty());
        assert_eq!(answer.header("x-request-id").len(), 32, "{path}");
    }
    let given = app.send(Method::GET, "/livez", &[("x-request-id", "abc-1")], "").await;
    assert_eq!(given.header("x-request-id"), "abc-1");
}
