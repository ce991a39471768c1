//! Every error that leaves the application: problem details as RFC 9457 has them.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::database::Failure;
use crate::todos::input::InputError;

/// How long a client should wait when the database is away: a failover is over by then.
const RETRY_AFTER_SECONDS: &str = "1";

/// An error as the client sees it.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    detail: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), headers: Vec::new() }
    }

    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("there is nothing at `{what}`"))
    }

    pub(crate) fn precondition_failed() -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, "it has changed: `If-Match` names another version")
    }

    /// Not now, but soon.
    pub(crate) fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, detail)
            .with(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS))
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        // What the database said may quote a title, so it is for the operator only.
        match failure {
            Failure::Unavailable(reason) => {
                tracing::warn!(reason, "the database is away");
                Self::unavailable("the database is away; nothing is known to be wrong with the request")
            }
            Failure::TooSlow => Self::new(StatusCode::GATEWAY_TIMEOUT, "the database did not answer in time"),
            Failure::Refused(reason) => {
                tracing::error!(reason, "the database refused a statement");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the request could not be done; the log says why")
            }
        }
    }
}

impl From<InputError> for Problem {
    fn from(error: InputError) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = serde_json::json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let mut response = (self.status, [content_type], body.to_string()).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}
