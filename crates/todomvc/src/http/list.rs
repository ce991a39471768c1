//! `/todos`: the list, new todos, and changes to all at once.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::call::Call;
use super::problem::Problem;
use super::{body, conditional, item, json};
use crate::app::App;
use crate::todos::input::{ChangeAllDocument, NewTodoDocument};
use crate::todos::store::{self, Made};
use crate::todos::todo::list_json;

/// Longer keys are a mistake; the usual one is a UUID.
const LONGEST_KEY_BYTES: usize = 255;

/// GET: all todos. A client that has them already costs one number from the database and no list.
pub(crate) async fn show(State(app): State<Arc<App>>, call: Call) -> Result<Response, Problem> {
    if conditional::is_conditional(&call.headers) {
        let revision = store::revision(&app.database, call.deadline).await?;
        if conditional::is_known(&call.headers, &revision) {
            return Ok(conditional::not_modified(&revision));
        }
    }
    all(&app, &call).await
}

/// POST: one new todo, however often the request arrives.
pub(crate) async fn create(State(app): State<Arc<App>>, call: Call, body: Body) -> Result<Response, Problem> {
    let key = idempotency_key(&call)?;
    let document: NewTodoDocument = body::json(&call.headers, body, call.deadline).await?;
    let new = document.checked(key.as_deref())?;
    let (id, deadline) = (new.id, call.deadline);
    let shared = Arc::clone(&app);
    let made = app.sheltered(async move { store::insert(&shared.database, deadline, new).await }).await?;
    let (status, stored) = match made {
        Made::New(stored) => (StatusCode::CREATED, stored),
        Made::Repeated(stored) => (StatusCode::OK, stored),
        Made::Conflict => {
            let detail = format!("the todo `{id}` exists and says something else");
            return Err(Problem::new(StatusCode::CONFLICT, detail));
        }
    };
    let mut response = item::answer(status, &stored, &call.base);
    if let Ok(location) = HeaderValue::from_str(&format!("{}/todos/{id}", call.base)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// PATCH: every todo completed, or none. Answers with the list.
pub(crate) async fn change_all(State(app): State<Arc<App>>, call: Call, body: Body) -> Result<Response, Problem> {
    let document: ChangeAllDocument = body::json(&call.headers, body, call.deadline).await?;
    let (expected, deadline) = (conditional::if_match(&call.headers), call.deadline);
    let shared = Arc::clone(&app);
    let write = async move { store::complete_all(&shared.database, deadline, document.completed, expected).await };
    call.outcome(app.sheltered(write).await?)?;
    all(&app, &call).await
}

/// DELETE: every todo, or with `?completed=true` the completed ones.
pub(crate) async fn delete_all(State(app): State<Arc<App>>, call: Call) -> Result<Response, Problem> {
    let only_completed = match call.uri.query() {
        None | Some("") => false,
        Some("completed=true") => true,
        // A misspelt filter must not delete everything.
        Some(_) => {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "the only query of a DELETE here is `completed=true`"));
        }
    };
    let (expected, deadline) = (conditional::if_match(&call.headers), call.deadline);
    let shared = Arc::clone(&app);
    let write = async move { store::delete_all(&shared.database, deadline, only_completed, expected).await };
    call.outcome(app.sheltered(write).await?)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn all(app: &App, call: &Call) -> Result<Response, Problem> {
    let rows = store::list(&app.database, call.deadline).await?;
    let (body, revision) = list_json(&rows, &call.base).map_err(|error| {
        tracing::error!(%error, "the list cannot be read");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the list cannot be read; the log says why")
    })?;
    let mut response = json(StatusCode::OK, body);
    response.headers_mut().extend([(header::ETAG, conditional::etag(&revision)), conditional::no_cache()]);
    Ok(response)
}

fn idempotency_key(call: &Call) -> Result<Option<Vec<u8>>, Problem> {
    let Some(value) = call.headers.get(HeaderName::from_static("idempotency-key")) else { return Ok(None) };
    let key = value.as_bytes();
    if key.is_empty() || key.len() > LONGEST_KEY_BYTES {
        let detail = format!("`Idempotency-Key` has 1 to {LONGEST_KEY_BYTES} bytes");
        return Err(Problem::new(StatusCode::BAD_REQUEST, detail));
    }
    Ok(Some(key.to_vec()))
}
