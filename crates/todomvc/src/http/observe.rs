//! Around every request: one line in the log, the counters, the headers that every answer has, and an answer
//! when a handler panics. Titles and bodies are never logged.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;
use tracing::Instrument;

use super::headers;
use super::identity::{REQUEST_ID, request_id, trace_id};
use super::problem::Problem;
use crate::app::App;
use crate::metrics::Metrics;

/// Logged when the client left before the answer; no client ever sees it.
const CLIENT_LEFT: u16 = 499;

/// More of a path than any real one has; what is longer is somebody's nonsense and would only fill the log.
const LONGEST_LOGGED_PATH_BYTES: usize = 200;

/// The outermost layer.
pub(crate) async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut record = Record::begin(Arc::clone(&app.metrics), &request);
    // Whatever is logged on the way can be found by the id. An error's span, because others are off at higher levels.
    let span = tracing::error_span!("request", request_id = record.request_id);
    let mut response = guarded(next.run(request)).instrument(span).await;
    headers::add_common(response.headers_mut());
    if let Ok(id) = HeaderValue::from_str(&record.request_id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    record.status = response.status().as_u16();
    response
}

/// Turns a panic into an answer. The panic's own message goes to standard error, by Rust's hook.
async fn guarded(answering: impl Future<Output = Response>) -> Response {
    AssertUnwindSafe(answering).catch_unwind().await.unwrap_or_else(|_| {
        tracing::error!("a handler panicked");
        let detail = "the request met a defect of the server; the log says more";
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
    })
}

/// One request, written down when it ends, whichever way.
struct Record {
    metrics: Arc<Metrics>,
    request_id: String,
    trace_id: Option<String>,
    method: &'static str,
    route: String,
    path: String,
    status: u16,
    begun: Instant,
}

impl Record {
    fn begin(metrics: Arc<Metrics>, request: &Request) -> Self {
        metrics.in_flight.inc();
        let route = request.extensions().get::<MatchedPath>().map_or("unknown", MatchedPath::as_str).to_owned();
        let path = request.uri().path();
        let length = path.floor_char_boundary(LONGEST_LOGGED_PATH_BYTES);
        Self {
            metrics,
            request_id: request_id(request.headers()),
            trace_id: trace_id(request.headers()),
            method: method_name(request.method()),
            route,
            path: path[..length].to_owned(),
            status: CLIENT_LEFT,
            begun: Instant::now(),
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let duration = self.begun.elapsed();
        self.metrics.in_flight.dec();
        self.metrics.answered(self.method, &self.route, self.status, duration);
        // To a tenth of a millisecond; more digits are noise.
        let duration_ms = (duration.as_secs_f64() * 10_000.0).round() / 10.0;
        let Self { request_id, trace_id, method, path, status, .. } = self;
        // Without a trace the field is left out.
        tracing::info!(request_id, trace_id, method, path, status, duration_ms, "request");
    }
}

/// The methods that exist here; whatever else a client invents must not become a series of its own.
fn method_name(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        "PUT" => "PUT",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_becomes_a_problem() {
        let response = guarded(async { panic!("on purpose") }).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
    }
}
