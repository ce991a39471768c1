//! Headers that protect the people who use a service, where it has not thought of them itself. What a target says is
//! never changed: it knows better who may frame it.
//!
//! There is no Permissions-Policy: what is dangerous asks the person already and is closed to frames of others, so a
//! list of ours would only take from applications what they use.

use hyper::header::{self, HeaderMap, HeaderValue};

const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const REFERRER: HeaderValue = HeaderValue::from_static("strict-origin-when-cross-origin");
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("SAMEORIGIN");

/// Adds what is missing, and takes out which software answered: only who looks for its holes wants to know.
pub(crate) fn secure(headers: &mut HeaderMap) {
    headers.remove(header::SERVER);
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(NOSNIFF);
    headers.entry(header::REFERRER_POLICY).or_insert(REFERRER);
    if !says_who_may_frame_it(headers) {
        headers.entry(header::X_FRAME_OPTIONS).or_insert(SAME_ORIGIN);
    }
}

/// In the new form, which browsers follow where both are there.
fn says_who_may_frame_it(headers: &HeaderMap) -> bool {
    let directive = |directive: &str| {
        directive.split_ascii_whitespace().next().is_some_and(|name| name.eq_ignore_ascii_case("frame-ancestors"))
    };
    let policies = headers.get_all(header::CONTENT_SECURITY_POLICY).iter().filter_map(|value| value.to_str().ok());
    // Several policies may stand in one header, with commas between them.
    policies.flat_map(|policy| policy.split([';', ','])).any(directive)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderName;

    use super::*;

    fn secured(said: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in said {
            headers.append(name, HeaderValue::from_static(value));
        }
        secure(&mut headers);
        headers
    }

    #[test]
    fn what_is_missing_is_added() {
        let headers = secured(&[(header::SERVER, "nginx/1.2.3")]);
        assert_eq!(headers.len(), 3);
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(headers[header::REFERRER_POLICY], "strict-origin-when-cross-origin");
        assert_eq!(headers[header::X_FRAME_OPTIONS], "SAMEORIGIN");
    }

    #[test]
    fn what_the_target_says_stays() {
        let said = [
            (header::X_CONTENT_TYPE_OPTIONS, "other"),
            (header::REFERRER_POLICY, "no-referrer"),
            (header::X_FRAME_OPTIONS, "DENY"),
        ];
        let headers = secured(&said);
        assert!(said.iter().all(|(name, value)| headers[name] == value) && headers.len() == 3);
    }

    #[test]
    fn a_policy_on_frames_is_enough() {
        let csp = header::CONTENT_SECURITY_POLICY;
        for (policies, framed) in [
            (&["default-src 'self'; Frame-Ancestors https://example.org"][..], true),
            (&["default-src 'self'", "img-src *, frame-ancestors 'none'"], true),
            (&["default-src 'self'; report-uri /frame-ancestors"], false),
            (&[""], false),
        ] {
            let said: Vec<_> = policies.iter().map(|policy| (csp.clone(), *policy)).collect();
            assert_eq!(!secured(&said).contains_key(header::X_FRAME_OPTIONS), framed, "{policies:?}");
        }
    }
}
