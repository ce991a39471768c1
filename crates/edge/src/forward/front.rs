//! What is answered before it is asked which service a request is for: an ACME server's look at a proof, and that a
//! client is to come again by https.

use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};

use super::body::Answer;
use super::{Core, Line, Visitor};
use crate::route::without_port;
use crate::tls::Tls;

/// Where an ACME server looks (RFC 8555, section 8.3).
const PROOFS: &str = "/.well-known/acme-challenge/";

const HTTPS: u16 = 443;

/// The answer, where it is one of these.
pub(super) fn answer(core: &Core, visitor: Visitor, parts: &Parts, line: &mut Line) -> Option<Response<Answer>> {
    let tls = core.shared.tls.as_deref().filter(|tls| tls.has_domains())?;
    // There are no tunnels by https either.
    if parts.method == Method::CONNECT {
        return None;
    }
    let response = match parts.uri.path().strip_prefix(PROOFS) {
        Some(token) => proof(tls, token),
        None if visitor.secure || !tls.settings().https_redirect => return None,
        None => by_https(tls, &line.host, parts)?,
    };
    line.status = response.status().as_u16();
    line.end = "complete";
    core.log(line);
    Some(response)
}

/// Never a target's: what it says there would be taken for ours.
fn proof(tls: &Tls, token: &str) -> Response<Answer> {
    let text = tls.proof(token);
    let status = if text.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    let mut response = Response::new(Answer::Own(text.map(Bytes::from)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    response
}

/// Only for a domain whose certificate is there: before, a browser would be sent to a warning.
fn by_https(tls: &Tls, host: &str, parts: &Parts) -> Option<Response<Answer>> {
    let name = without_port(host);
    if !tls.is_issued(name) {
        return None;
    }
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let place = match tls.settings().https_port {
        HTTPS => format!("https://{name}{path}"),
        port => format!("https://{name}:{port}{path}"),
    };
    let mut response = Response::new(Answer::Own(None));
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(header::LOCATION, HeaderValue::try_from(place).ok()?);
    Some(response)
}
