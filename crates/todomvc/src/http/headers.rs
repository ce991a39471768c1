//! Headers that every answer has: those that protect a page, and those that let pages of other origins use the API.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// The page loads its own scripts, styles and images and talks to its own origin. It is never framed, and nothing of it
/// is inline.
const PROTECTION: [(&str, &str); 5] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
];

/// Any origin may use the API: it has no cookies and no accounts, so a foreign page can do nothing that its author
/// could not do with `curl`.
const SHARING: [(&str, &str); 3] = [
    ("access-control-allow-origin", "*"),
    ("cross-origin-resource-policy", "cross-origin"),
    ("access-control-expose-headers", "Allow, ETag, Location, Retry-After, X-Request-Id"),
];

const PREFLIGHT: [(&str, &str); 2] = [
    ("access-control-allow-headers", "Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id"),
    // Two hours is the most that browsers accept.
    ("access-control-max-age", "7200"),
];

/// Adds the headers of every answer.
pub(crate) fn add_common(headers: &mut HeaderMap) {
    for (name, value) in PROTECTION.into_iter().chain(SHARING) {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
}

/// The answer to OPTIONS, which is also what a browser asks before it sends a request of another origin's page.
pub(crate) fn options(methods: &'static str) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, HeaderValue::from_static(methods));
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods));
    for (name, value) in PREFLIGHT {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}
