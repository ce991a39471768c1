//! What operators and machines ask: `/livez`, `/readyz`, `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;

use super::problem::Problem;
use crate::app::App;
use crate::migrate;

/// A probe is answered before whoever probes gives up (`healthcheck` after 2 s).
const PROBE_DEADLINE: Duration = Duration::from_secs(1);

/// The process runs, and its loop turns.
pub(crate) async fn live() -> Response {
    plain("alive\n".to_owned())
}

/// Requests would be answered: the process is not stopping, the database answers, and its schema is new enough.
pub(crate) async fn ready(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    if app.stopping.is_cancelled() {
        return Err(Problem::unavailable("the process is stopping"));
    }
    let applied = migrate::newest_applied(&app.database, Instant::now() + PROBE_DEADLINE).await;
    let applied = applied.map_err(|failure| Problem::unavailable(failure.to_string()))?;
    let needed = migrate::newest_known();
    if applied < needed {
        let detail = format!("the schema is at {applied} and must be at {needed}: run `todomvc migrate`");
        return Err(Problem::unavailable(detail));
    }
    Ok(plain("ready\n".to_owned()))
}

/// The counters.
pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    app.database.count_connections();
    let text = app.metrics.text().map_err(|error| {
        tracing::error!(%error, "the metrics cannot be written");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written")
    })?;
    let content_type = HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}

fn plain(text: String) -> Response {
    let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    ([content_type, (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], text).into_response()
}
