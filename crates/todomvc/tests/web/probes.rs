//! What operators ask: liveness, readiness, metrics.

use testkit::database::Database;

use crate::support::TestApp;

#[tokio::test]
async fn a_process_is_ready_when_its_schema_is_there() {
    let database = Database::create();
    let app = TestApp::start_unmigrated(&[("DATABASE_URL", &database.url())]).await;
    assert_eq!(app.get("/livez").await.status, 200);
    let reason = app.get("/readyz").await.problem(503);
    assert!(reason.contains("`todomvc migrate`"), "{reason}");
    let migrated = TestApp::start(&database).await;
    assert_eq!(migrated.get("/readyz").await.status, 200);
    assert_eq!(app.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn requests_are_counted_by_route_and_never_by_path() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    let id = app.make("a").await["id"].as_str().unwrap().to_owned();
    app.get(&format!("/todos/{id}")).await;
    app.get("/no/such/page").await;
    let answer = app.get("/metrics").await;
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
    let text = String::from_utf8(answer.body.to_vec()).unwrap();
    for line in [
        r#"todomvc_http_requests_total{method="POST",route="/todos",status="201"} 1"#,
        r#"todomvc_http_requests_total{method="GET",route="/todos/{id}",status="200"} 1"#,
        r#"todomvc_http_requests_total{method="GET",route="unknown",status="404"} 1"#,
        "todomvc_http_requests_in_flight 1",
        "todomvc_event_streams 0",
        "todomvc_database_retries_total 0",
        r#"todomvc_database_calls_total{purpose="write",outcome="done"} 1"#,
        r#"todomvc_database_calls_total{purpose="read",outcome="done"} 1"#,
        r#"todomvc_database_connections{purpose="write"} 1"#,
        r#"todomvc_database_connections{purpose="read"} 1"#,
    ] {
        assert!(text.lines().any(|found| found == line), "`{line}` is not in\n{text}");
    }
    assert!(text.contains(r#"todomvc_http_request_duration_seconds_bucket{le="0.25","#), "{text}");
    for name in [r#"todomvc_build_info{version=""#, r#"revision=""#, "todomvc_database_call_duration_seconds_bucket"] {
        assert!(text.contains(name), "`{name}` is not in\n{text}");
    }
    assert!(!text.contains(&id));
}
