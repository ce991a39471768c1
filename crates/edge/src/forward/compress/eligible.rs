//! Which answers may be compressed, and shrink by it.

use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

/// What would no longer be true of the answer.
const BOUND_TO_ITS_BYTES: [HeaderName; 6] = [
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
];

/// Whether the answer's bytes may be others than the target's, and are of a kind that shrinks.
pub(super) fn is_eligible(status: StatusCode, headers: &HeaderMap) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    shrinks(media_type)
        && status != StatusCode::PARTIAL_CONTENT
        && !BOUND_TO_ITS_BYTES.iter().any(|name| headers.contains_key(name))
        && !headers.get_all(header::CACHE_CONTROL).iter().any(no_transform)
}

fn no_transform(value: &HeaderValue) -> bool {
    let directives = value.to_str().unwrap_or_default();
    directives.split(',').any(|directive| directive.trim().eq_ignore_ascii_case("no-transform"))
}

/// What pictures, sounds and archives are not: those are compressed already. Events go out one by one, at once.
fn shrinks(media_type: &str) -> bool {
    let name = media_type.split(';').next().unwrap_or_default().trim();
    let Some((kind, form)) = name.split_once('/') else { return false };
    let is = |others: &[&str]| others.iter().any(|other| form.eq_ignore_ascii_case(other));
    let ends = |end: &str| {
        let from = form.len().saturating_sub(end.len());
        form.get(from..).is_some_and(|last| last.eq_ignore_ascii_case(end))
    };
    if ends("+json") || ends("+xml") || ends("+yaml") || ends("+text") {
        return true;
    }
    match () {
        () if kind.eq_ignore_ascii_case("text") => !is(&["event-stream"]),
        () if kind.eq_ignore_ascii_case("application") => {
            is(&["json", "javascript", "x-javascript", "ecmascript", "xml", "wasm", "x-ndjson", "ndjson", "jsonl"])
                || is(&["yaml", "x-yaml", "toml", "rtf", "graphql", "sql", "vnd.ms-fontobject", "x-sh"])
        }
        () if kind.eq_ignore_ascii_case("image") => is(&["bmp", "x-icon", "vnd.microsoft.icon"]),
        () if kind.eq_ignore_ascii_case("font") => is(&["ttf", "otf", "collection"]),
        () => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_shrink_and_pictures_do_not() {
        for yes in [
            "text/html; charset=utf-8",
            "TEXT/CSS",
            "application/json",
            "application/problem+json",
            "image/svg+xml",
            "text/javascript",
            "application/wasm",
            "font/ttf",
        ] {
            assert!(shrinks(yes), "{yes}");
        }
        for no in [
            "",
            "text",
            "text/event-stream; charset=utf-8",
            "image/png",
            "application/zip",
            "video/mp4",
            "font/woff2",
            "application/octet-stream",
        ] {
            assert!(!shrinks(no), "{no}");
        }
    }

    #[test]
    fn what_is_bound_to_its_bytes_stays() {
        let eligible = |status: u16, name: &'static str, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            headers.insert(name, HeaderValue::from_static(value));
            is_eligible(StatusCode::from_u16(status).expect("a status"), &headers)
        };
        assert!(eligible(200, "cache-control", "public, max-age=9"));
        assert!(eligible(404, "x-mine", "1"));
        for (status, name, value) in [
            (206, "x-mine", "1"),
            (200, "content-range", "bytes 0-1/2"),
            (200, "content-encoding", "br"),
            (200, "cache-control", "public, No-Transform"),
            (200, "content-digest", "sha-256=:x:"),
        ] {
            assert!(!eligible(status, name, value), "{status} {name}: {value}");
        }
    }

    proptest! {
        #[test]
        fn no_media_type_makes_it_fail(text in ".{0,30}") { let _ = shrinks(&text); }
    }
}
