//! What every handler of the API needs to know of its request besides the body.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::{HeaderMap, Uri, header, request};
use tokio::time::Instant;
use uuid::Uuid;

use super::problem::Problem;
use crate::app::App;
use crate::todos::input::parse_id;
use crate::todos::store::Written;

/// A request without its body.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    /// What every `url` of the answer starts with; empty when nothing sensible is known.
    pub(crate) base: String,
    /// When the client should have its answer.
    pub(crate) deadline: Instant,
}

impl FromRequestParts<Arc<App>> for Call {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut request::Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        Ok(Self {
            uri: parts.uri.clone(),
            base: app.public_url.clone().unwrap_or_else(|| base_of(&parts.headers)),
            headers: std::mem::take(&mut parts.headers),
            deadline: Instant::now() + app.request_deadline,
        })
    }
}

impl Call {
    /// The id that the path ends with. What is no id names nothing.
    pub(crate) fn id(&self) -> Result<Uuid, Problem> {
        let path = self.uri.path();
        path.rsplit('/').next().and_then(parse_id).ok_or_else(|| Problem::not_found(path))
    }

    /// The answer when the id names nothing.
    pub(crate) fn not_found(&self) -> Problem {
        Problem::not_found(self.uri.path())
    }

    /// The result of a write, or the problem that it met.
    pub(crate) fn outcome<T>(&self, written: Written<T>) -> Result<T, Problem> {
        match written {
            Written::Done(result) => Ok(result),
            Written::Missing => Err(self.not_found()),
            Written::PreconditionFailed => Err(Problem::precondition_failed()),
        }
    }
}

/// The base as the client wrote it. The edge says which scheme it was; only what a host name may contain is repeated,
/// so that it can stand in JSON and in a header as it is.
fn base_of(headers: &HeaderMap) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let host = text(header::HOST.as_str());
    let is_sane = |c: u8| c.is_ascii_alphanumeric() || b".-_:[]".contains(&c);
    if host.is_empty() || !host.bytes().all(is_sane) {
        return String::new();
    }
    let scheme = if text("x-forwarded-proto") == "https" { "https" } else { "http" };
    format!("{scheme}://{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(pairs: &[(&'static str, &str)]) -> String {
        base_of(&pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect())
    }

    #[test]
    fn the_base_is_what_the_client_wrote() {
        assert_eq!(base(&[("host", "todo.example:8080")]), "http://todo.example:8080");
        assert_eq!(base(&[("host", "todo.example"), ("x-forwarded-proto", "https")]), "https://todo.example");
        assert_eq!(base(&[("host", "[::1]:80"), ("x-forwarded-proto", "gopher")]), "http://[::1]:80");
    }

    #[test]
    fn a_strange_host_is_not_repeated() {
        assert_eq!(base(&[("host", "x\",\"y")]), "");
        assert_eq!(base(&[]), "");
    }
}
