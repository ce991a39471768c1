//! Pages of any origin may use the API.

use hyper::Method;
use testkit::database::Database;

use crate::support::TestApp;

#[tokio::test]
async fn a_preflight_is_answered() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    let asking = [
        ("origin", "https://elsewhere.example"),
        ("access-control-request-method", "PATCH"),
        ("access-control-request-headers", "content-type, if-match"),
    ];
    let answer = app.send(Method::OPTIONS, "/todos", &asking, "").await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    for method in ["GET", "POST", "PATCH", "DELETE"] {
        assert!(answer.header("access-control-allow-methods").contains(method), "{method}");
        assert!(answer.header("allow").contains(method), "{method}");
    }
    for header in ["Content-Type", "If-Match", "If-None-Match", "Idempotency-Key"] {
        assert!(answer.header("access-control-allow-headers").contains(header), "{header}");
    }
}

#[tokio::test]
async fn foreign_pages_may_read_answers_errors_and_their_headers() {
    let database = Database::create();
    let app = TestApp::start(&database).await;
    for path in ["/todos", "/todos/1", "/nowhere"] {
        let answer = app.send(Method::GET, path, &[("origin", "https://elsewhere.example")], "").await;
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
        for header in ["ETag", "Location", "Retry-After"] {
            assert!(answer.header("access-control-expose-headers").contains(header), "{path}: {header}");
        }
    }
}
