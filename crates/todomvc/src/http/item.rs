//! `/todos/{id}`: one todo.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::call::Call;
use super::problem::Problem;
use super::{body, conditional, json};
use crate::app::App;
use crate::todos::input::ChangeDocument;
use crate::todos::store;
use crate::todos::todo::Stored;

/// GET: the todo.
pub(crate) async fn show(State(app): State<Arc<App>>, call: Call) -> Result<Response, Problem> {
    let found = store::find(&app.database, call.deadline, call.id()?).await?;
    let stored = found.ok_or_else(|| call.not_found())?;
    if conditional::is_known(&call.headers, &stored.tag()) {
        return Ok(conditional::not_modified(&stored.tag()));
    }
    Ok(answer(StatusCode::OK, &stored, &call.base))
}

/// PATCH: new values for the fields that are given.
pub(crate) async fn change(State(app): State<Arc<App>>, call: Call, body: Body) -> Result<Response, Problem> {
    let id = call.id()?;
    let document: ChangeDocument = body::json(&call.headers, body, call.deadline).await?;
    let change = document.checked()?;
    let (expected, deadline) = (conditional::if_match_stamps(&call.headers), call.deadline);
    let shared = Arc::clone(&app);
    let write = async move { store::update(&shared.database, deadline, id, change, expected).await };
    let stored = call.outcome(app.sheltered(write).await?)?;
    Ok(answer(StatusCode::OK, &stored, &call.base))
}

/// DELETE: the todo is gone.
pub(crate) async fn delete(State(app): State<Arc<App>>, call: Call) -> Result<Response, Problem> {
    let id = call.id()?;
    let (expected, deadline) = (conditional::if_match_stamps(&call.headers), call.deadline);
    let shared = Arc::clone(&app);
    let write = async move { store::delete(&shared.database, deadline, id, expected).await };
    call.outcome(app.sheltered(write).await?)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// An answer that is one todo.
pub(crate) fn answer(status: StatusCode, stored: &Stored, base: &str) -> Response {
    let mut response = json(status, stored.todo.json(base));
    response.headers_mut().extend([(header::ETAG, conditional::etag(&stored.tag())), conditional::no_cache()]);
    response
}
