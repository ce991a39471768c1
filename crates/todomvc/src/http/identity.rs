//! How a request is found again: by its own id, and by the trace that it is a part of.

use axum::http::{HeaderMap, HeaderName};
use uuid::Uuid;

/// The header of the request's id, in the request and in the answer.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The client's own id when it is fit for a log, else a new one.
pub(crate) fn request_id(headers: &HeaderMap) -> String {
    let given = text(headers, REQUEST_ID);
    let is_sane = |c: u8| c.is_ascii_alphanumeric() || b"-_.".contains(&c);
    if (1..=64).contains(&given.len()) && given.bytes().all(is_sane) {
        given.to_owned()
    } else {
        Uuid::new_v4().simple().to_string()
    }
}

/// The trace's id from `traceparent` (W3C Trace Context): `version-trace-parent-flags`, of which the trace has 32
/// hexadecimal digits, not all of them 0.
pub(crate) fn trace_id(headers: &HeaderMap) -> Option<String> {
    let mut fields = text(headers, HeaderName::from_static("traceparent")).split('-');
    let (version, trace, parent) = (fields.next()?, fields.next()?, fields.next()?);
    let is_hex = |field: &str| field.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
    let is_whole = version.len() == 2 && trace.len() == 32 && parent.len() == 16 && fields.next().is_some();
    let is_used = trace.bytes().any(|c| c != b'0');
    (is_whole && is_used && is_hex(trace)).then(|| trace.to_owned())
}

fn text(headers: &HeaderMap, name: HeaderName) -> &str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().unwrap())])
    }

    #[test]
    fn only_a_sane_request_id_is_taken_over() {
        let id = |value: &str| request_id(&header("x-request-id", value));
        assert_eq!(id("abc-1.2_3"), "abc-1.2_3");
        for strange in ["a b", "", "\"", &"x".repeat(65)] {
            assert_eq!(id(strange).len(), 32, "{strange}");
        }
    }

    #[test]
    fn the_trace_is_taken_from_a_whole_header_only() {
        let id = |value: &str| trace_id(&header("traceparent", value));
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(id(&format!("00-{trace}-00f067aa0ba902b7-01")).as_deref(), Some(trace));
        for strange in [
            "",
            trace,
            &format!("00-{trace}"),
            &format!("00-{trace}-00f067aa0ba902b7"),
            &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            &format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()),
        ] {
            assert_eq!(id(strange), None, "{strange}");
        }
        assert_eq!(trace_id(&HeaderMap::new()), None);
    }
}
