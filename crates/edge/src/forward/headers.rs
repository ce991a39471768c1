//! What is said to a target, and what is kept from it.

use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// What strangers may claim of themselves, and targets may believe.
const CLAIMS: [HeaderName; 7] = [
    HeaderName::from_static("forwarded"),
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-prefix"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-client-ip"),
    // httpoxy: becomes a variable that CGI programs take for a setting.
    HeaderName::from_static("proxy"),
];
/// Of one connection, not of the message (RFC 9110, section 7.6.1).
const OF_THE_CONNECTION: [HeaderName; 8] = [
    header::CONNECTION,
    // Answered here: a client that waits for leave to send its body has got it.
    header::EXPECT,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// A request id or a trace of the client's is kept when it is what it should be.
const LONGEST_ID: usize = 64;

/// Takes out what concerns only the connection that it came on.
pub(crate) fn strip(headers: &mut HeaderMap) {
    // The common case has none of it, and costs no allocation.
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
        .collect();
    for name in named.iter().chain(&OF_THE_CONNECTION) {
        headers.remove(name);
    }
}

/// HTTP/2 may send each cookie in a line of its own, which no HTTP/1.1 server has to understand (RFC 9113, 8.2.3).
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    if headers.get_all(header::COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(header::COOKIE, joined);
    }
}

/// What the target shall know of the client, and that nobody else has said it.
pub(crate) fn introduce(headers: &mut HeaderMap, client: &str, host: &str, scheme: &'static str) {
    for name in &CLAIMS {
        headers.remove(name);
    }
    for (name, value) in [(FORWARDED_FOR, client), (FORWARDED_HOST, host)] {
        match HeaderValue::from_str(value) {
            Ok(value) => drop(headers.insert(name, value)),
            Err(_) => drop(headers.remove(name)),
        }
    }
    headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme));
}

/// Names the request, so that its lines in all logs are found together; the name that it has now.
pub(crate) fn identify(headers: &mut HeaderMap, mut random: impl FnMut() -> u128) -> String {
    let known = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(|id| is_id(id)).map(str::to_owned);
    let id = known.unwrap_or_else(|| {
        let id = format!("{:032x}", random());
        if let Ok(value) = HeaderValue::from_str(&id) {
            headers.insert(REQUEST_ID, value);
        }
        id
    });
    let traced = headers.get(TRACEPARENT).is_some_and(|value| is_traceparent(value.as_bytes()));
    if !traced {
        // Neither all zero (forbidden) nor sampled: nobody has asked for a trace.
        let text = format!("00-{:032x}-{:016x}-00", random() | 1, (random() as u64) | 1);
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(TRACEPARENT, value);
        }
    }
    id
}

fn is_id(id: &str) -> bool {
    (1..=LONGEST_ID).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// `00-TRACE-PARENT-FLAGS` (W3C Trace Context, level 1); versions to come may say more behind it.
fn is_traceparent(text: &[u8]) -> bool {
    let lower_hex = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let some = |part: &[u8]| part.iter().any(|byte| *byte != b'0');
    let Some((head, rest)) = text.split_at_checked(55) else { return false };
    let parts: Vec<&[u8]> = head.split(|byte| *byte == b'-').collect();
    let [version, trace, parent, flags] = parts[..] else { return false };
    let shaped = version.len() == 2 && trace.len() == 32 && parent.len() == 16 && flags.len() == 2;
    let ends = if version == b"00" { rest.is_empty() } else { rest.first().is_none_or(|byte| *byte == b'-') };
    shaped && ends && parts.iter().all(|part| lower_hex(part)) && some(trace) && some(parent) && version != b"ff"
}

/// Whether the client says that the request may be made again.
pub(crate) fn has_idempotency_key(headers: &HeaderMap) -> bool {
    headers.contains_key(IDEMPOTENCY_KEY)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"))
        };
        all.iter().map(pair).collect()
    }

    #[test]
    fn what_the_connection_names_goes_with_it() {
        let mut all =
            headers(&[("connection", "close, X-Mine"), ("x-mine", "1"), ("te", "trailers"), ("accept", "*/*")]);
        strip(&mut all);
        assert_eq!(all, headers(&[("accept", "*/*")]));
    }

    #[test]
    fn cookies_are_one_line() {
        let mut all = headers(&[("cookie", "a=1")]);
        join_cookies(&mut all);
        assert_eq!(all, headers(&[("cookie", "a=1")]));
        all.append(header::COOKIE, HeaderValue::from_static("b=2; c=3"));
        join_cookies(&mut all);
        assert_eq!(all, headers(&[("cookie", "a=1; b=2; c=3")]));
    }

    #[test]
    fn nobody_speaks_for_the_client() {
        let mut all = headers(&[("x-forwarded-for", "10.0.0.1"), ("x-real-ip", "10.0.0.1"), ("forwarded", "for=x")]);
        introduce(&mut all, "192.0.2.7", "example.org", "https");
        let told =
            [("x-forwarded-for", "192.0.2.7"), ("x-forwarded-host", "example.org"), ("x-forwarded-proto", "https")];
        assert_eq!(all, headers(&told));
    }

    #[test]
    fn a_good_name_is_kept_and_a_bad_one_replaced() {
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let mut all = headers(&[("x-request-id", "abc-1"), ("traceparent", trace)]);
        assert_eq!(identify(&mut all, || 7), "abc-1");
        assert_eq!(all["traceparent"], trace);
        for bad in ["", "a b", "x\u{e9}", &"x".repeat(65)] {
            let mut all = headers(&[("x-request-id", bad), ("traceparent", "00-0-0-00")]);
            assert_eq!(identify(&mut all, || 7), format!("{:032x}", 7), "{bad}");
            assert!(is_traceparent(all["traceparent"].as_bytes()));
        }
    }

    #[test]
    fn a_trace_is_as_the_standard_has_it() {
        let trace = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";
        for good in [format!("00-{trace}-01"), format!("01-{trace}-01"), format!("01-{trace}-01-more")] {
            assert!(is_traceparent(good.as_bytes()), "{good}");
        }
        let none = "00000000000000000000000000000000-b7ad6b7169203331";
        for bad in [format!("00-{trace}-01-more"), format!("ff-{trace}-01"), format!("00-{none}-01"), trace.to_owned()]
        {
            assert!(!is_traceparent(bad.as_bytes()), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn nothing_from_a_stranger_makes_it_fail(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = is_traceparent(&bytes);
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let mut all = HeaderMap::new();
                for name in [REQUEST_ID, TRACEPARENT, header::CONNECTION] { all.insert(name, value.clone()); }
                let id = identify(&mut all, || 7);
                prop_assert!(is_id(&id));
                strip(&mut all);
                introduce(&mut all, "192.0.2.7", "x", "http");
            }
        }
    }
}
