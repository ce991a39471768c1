//! ETags, and the requests that depend on them: `If-Match` and `If-None-Match` (RFC 9110, section 13).

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// The header value of a tag.
pub(crate) fn etag(tag: &str) -> HeaderValue {
    // Tags are hexadecimal digits and hyphens, so this cannot fail; an empty value would be ignored by clients.
    HeaderValue::from_str(&format!("\"{tag}\"")).unwrap_or(HeaderValue::from_static(""))
}

/// The tags that a write expects, without their quotation marks: `None` when it expects nothing. Weak tags never match
/// here, so they are left out.
pub(crate) fn if_match(headers: &HeaderMap) -> Option<Vec<String>> {
    let tags = tags(headers, header::IF_MATCH)?;
    if tags.iter().any(|tag| tag == "*") {
        return None;
    }
    Some(tags.iter().filter_map(|tag| unquoted(tag)).collect())
}

/// The tags of single todos that a write expects.
pub(crate) fn if_match_stamps(headers: &HeaderMap) -> Option<Vec<i64>> {
    let tags = if_match(headers)?;
    Some(tags.iter().filter_map(|tag| u64::from_str_radix(tag, 16).ok()).map(u64::cast_signed).collect())
}

/// Whether the client asked for a newer version than some it has.
pub(crate) fn is_conditional(headers: &HeaderMap) -> bool {
    headers.contains_key(header::IF_NONE_MATCH)
}

/// Whether the client has this version already.
pub(crate) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    tags(headers, header::IF_NONE_MATCH).is_some_and(|tags| {
        tags.iter().any(|known| known == "*" || unquoted(known.trim_start_matches("W/")).as_deref() == Some(tag))
    })
}

/// The answer to a client that has this version already.
pub(crate) fn not_modified(tag: &str) -> Response {
    (StatusCode::NOT_MODIFIED, [(header::ETAG, etag(tag)), no_cache()]).into_response()
}

/// A copy may be kept, and has to be checked before each use.
pub(crate) fn no_cache() -> (HeaderName, HeaderValue) {
    (header::CACHE_CONTROL, HeaderValue::from_static("no-cache"))
}

fn tags(headers: &HeaderMap, name: HeaderName) -> Option<Vec<String>> {
    let mut found = None;
    for value in headers.get_all(name) {
        let text = value.to_str().unwrap_or_default();
        found.get_or_insert_with(Vec::new).extend(text.split(',').map(|tag| tag.trim().to_owned()));
    }
    found
}

fn unquoted(tag: &str) -> Option<String> {
    tag.strip_prefix('"')?.strip_suffix('"').map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &HeaderName, values: &[&'static str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn expected_tags_are_strong_ones() {
        assert_eq!(if_match(&HeaderMap::new()), None);
        assert_eq!(if_match(&headers(&header::IF_MATCH, &["*"])), None);
        let several = headers(&header::IF_MATCH, &["\"a\", W/\"b\"", "\"c\""]);
        assert_eq!(if_match(&several), Some(vec!["a".into(), "c".into()]));
        assert_eq!(if_match(&headers(&header::IF_MATCH, &["nonsense"])), Some(vec![]));
        assert_eq!(if_match_stamps(&headers(&header::IF_MATCH, &["\"ffffffffffffffff\", \"x\""])), Some(vec![-1]));
    }

    #[test]
    fn known_tags_may_be_weak() {
        for value in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
            assert!(is_known(&headers(&header::IF_NONE_MATCH, &[value]), "a"), "{value}");
        }
        assert!(!is_known(&headers(&header::IF_NONE_MATCH, &["\"b\"", "a"]), "a"));
    }
}
