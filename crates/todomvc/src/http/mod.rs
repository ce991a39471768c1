//! HTTP: the table of routes, and one file for each kind of resource. Around every route is `observe` (request id, log
//! line, counters, common headers, panics); every error is a `problem`.

pub(crate) mod assets;
mod body;
mod call;
mod conditional;
mod events;
mod headers;
mod identity;
mod item;
mod list;
mod observe;
mod probes;
mod problem;

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get};
use axum::{Router, middleware};

use crate::app::App;
use problem::Problem;

/// The whole application as a service.
pub(crate) fn router(app: Arc<App>) -> Router {
    let reading = "GET, HEAD, OPTIONS";
    Router::new()
        .route("/todos", {
            let methods = get(list::show).post(list::create).patch(list::change_all).delete(list::delete_all);
            only("GET, HEAD, POST, PATCH, DELETE, OPTIONS", methods)
        })
        .route("/todos/{id}", {
            let methods = delete(item::delete).get(item::show).patch(item::change);
            only("GET, HEAD, PATCH, DELETE, OPTIONS", methods)
        })
        .route("/events", only(reading, get(events::stream)))
        .route("/livez", only(reading, get(probes::live)))
        .route("/readyz", only(reading, get(probes::ready)))
        .route("/metrics", only(reading, get(probes::metrics)))
        .route("/", only(reading, get(assets::serve)))
        .route("/{file}", only(reading, get(assets::serve)))
        .fallback(unknown)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), observe::observe))
        .with_state(app)
}

/// A resource with these methods, which it names when asked for them or for another.
fn only(methods: &'static str, router: MethodRouter<Arc<App>>) -> MethodRouter<Arc<App>> {
    router.options(move || async move { headers::options(methods) }).fallback(move || async move {
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("only {methods} are possible here"))
            .with(header::ALLOW, HeaderValue::from_static(methods))
    })
}

async fn unknown(request: Request) -> Problem {
    Problem::not_found(request.uri().path())
}

/// A JSON answer.
fn json(status: StatusCode, body: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}
