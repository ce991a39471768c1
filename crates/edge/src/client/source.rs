//! Who asks, where others have passed the request on.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::net::{Net, any_contains};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The address of the client. Each proxy writes behind what it was told from whom it heard it: so from the right, what
/// trusted proxies say is true, up to the first address that is none of theirs. What stands left of it anybody can have
/// written.
pub(crate) fn source(peer: IpAddr, headers: &HeaderMap, trusted: &[Net]) -> IpAddr {
    if !any_contains(trusted, peer) {
        return peer;
    }
    let mut source = peer;
    for value in headers.get_all(FORWARDED_FOR).iter().rev() {
        for name in value.to_str().unwrap_or_default().rsplit(',') {
            // What is no address ends what can be known.
            let Some(address) = address(name.trim()) else { return source };
            source = address;
            if !any_contains(trusted, source) {
                return source;
            }
        }
    }
    source
}

/// How the client asked, where a trusted proxy says so: it may have ended the TLS.
pub(crate) fn scheme(peer: IpAddr, headers: &HeaderMap, trusted: &[Net], own: &'static str) -> &'static str {
    if !any_contains(trusted, peer) {
        return own;
    }
    match headers.get(FORWARDED_PROTO).map(HeaderValue::as_bytes) {
        Some(b"https") => "https",
        Some(b"http") => "http",
        _ => own,
    }
}

/// Some proxies write a port behind it, and brackets around IPv6.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse().map(|place: SocketAddr| place.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seen(peer: &str, said: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in said {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(value).expect("a value"));
        }
        let trusted = ["10.0.0.0/8", "fd00::/8"].map(|net| net.parse().expect("a network"));
        source(peer.parse().expect("an address"), &headers, &trusted).to_string()
    }

    #[test]
    fn only_trusted_ones_are_believed_and_only_as_far_as_they_can_know() {
        for (peer, said, source) in [
            ("192.0.2.1", &["203.0.113.7"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["8.8.8.8, 203.0.113.7"], "203.0.113.7"),
            ("10.0.0.1", &["8.8.8.8, 203.0.113.7, 10.0.0.2"], "203.0.113.7"),
            ("10.0.0.1", &["8.8.8.8", "203.0.113.7 ,10.0.0.2"], "203.0.113.7"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &["203.0.113.7, unknown, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("fd00::1", &["[2001:db8::7]:4711"], "2001:db8::7"),
            ("fd00::1", &["[2001:db8::7]"], "2001:db8::7"),
            ("10.0.0.1", &["203.0.113.7:4711"], "203.0.113.7"),
            ("10.0.0.1", &["::ffff:203.0.113.7"], "203.0.113.7"),
        ] {
            assert_eq!(seen(peer, said), source, "{peer} says {said:?}");
        }
    }

    #[test]
    fn how_the_client_asked_is_believed_of_trusted_ones() {
        let trusted = ["10.0.0.0/8".parse().expect("a network")];
        let mut headers = HeaderMap::new();
        let scheme =
            |peer: &str, headers: &HeaderMap| scheme(peer.parse().expect("an address"), headers, &trusted, "http");
        assert_eq!(scheme("10.0.0.1", &headers), "http");
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static("https"));
        assert_eq!((scheme("10.0.0.1", &headers), scheme("192.0.2.1", &headers)), ("https", "http"));
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static("gopher"));
        assert_eq!(scheme("10.0.0.1", &headers), "http");
    }

    proptest! {
        #[test]
        fn nothing_from_a_stranger_makes_it_fail(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                headers.insert(FORWARDED_FOR, value);
            }
            let _ = source([10, 0, 0, 1].into(), &headers, &["10.0.0.0/8".parse().expect("a network")]);
        }
    }
}
