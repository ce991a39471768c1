//! What a client wants of its answer. The request itself goes on to a target, so this is kept of it.

use hyper::Method;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What is kept of a request for its answer.
#[derive(Debug)]
pub(crate) struct Asked {
    accept: Option<HeaderValue>,
    codings: Option<HeaderValue>,
    none_match: Option<HeaderValue>,
    reads: bool,
    lured: bool,
}

/// How the edge's own words are said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A page, for a person.
    Html,
    /// Problem details (RFC 9457), for a program that reads JSON.
    Problem,
    /// A line, for everybody else.
    Text,
}

impl Asked {
    pub(crate) fn new(method: &Method, headers: &HeaderMap) -> Self {
        let cross_site = headers.get(FETCH_SITE).is_some_and(|site| site == "cross-site");
        Self {
            accept: headers.get(header::ACCEPT).cloned(),
            codings: headers.get(header::ACCEPT_ENCODING).cloned(),
            none_match: headers.get(header::IF_NONE_MATCH).cloned(),
            reads: matches!(*method, Method::GET | Method::HEAD),
            lured: cross_site && headers.contains_key(header::COOKIE),
        }
    }

    /// Which codings the client takes.
    pub(crate) fn codings(&self) -> &str {
        self.codings.as_ref().and_then(|codings| codings.to_str().ok()).unwrap_or_default()
    }

    /// Tags of what the client has already.
    pub(crate) fn none_match(&self) -> Option<&HeaderValue> {
        self.none_match.as_ref()
    }

    /// Whether another site made the browser ask with the person's cookies: it could learn secrets from how well what
    /// it made them ask for compresses together with them (BREACH).
    pub(crate) fn may_be_lured(&self) -> bool {
        self.lured
    }

    /// Whether it was a GET, or a HEAD, which may be made again without a word.
    pub(crate) fn reads(&self) -> bool {
        self.reads
    }

    /// What browsers name is for persons; who takes anything gets a line.
    pub(crate) fn form(&self) -> Form {
        let accept = self.accept.as_ref().and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        let mut form = Form::Text;
        for (name, weight) in weighted(accept) {
            let is = |other: &str| name.eq_ignore_ascii_case(other);
            if weight == 0 {
                continue;
            }
            if is("text/html") {
                return Form::Html;
            }
            if is("application/json") || is("application/problem+json") {
                form = Form::Problem;
            }
        }
        form
    }
}

/// What is named in a list, each with its weight in thousandths (RFC 9110, section 12.4.2); 0 is what is not wanted.
pub(crate) fn weighted(list: &str) -> impl Iterator<Item = (&str, u32)> {
    list.split(',').map(|item| {
        let mut parts = item.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        // What is no number does not say that it is not wanted.
        let weight = weight.and_then(|text| text.parse::<f32>().ok()).unwrap_or(1.0);
        (name, (weight.clamp(0.0, 1.0) * 1_000.0) as u32)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn form(accept: &str) -> Form {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_str(accept).expect("a value"));
        Asked::new(&Method::GET, &headers).form()
    }

    #[test]
    fn persons_get_a_page_and_programs_what_they_read() {
        for (accept, wanted) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Form::Html),
            ("application/json, text/plain, */*", Form::Problem),
            ("application/problem+json", Form::Problem),
            ("application/json;q=0, */*", Form::Text),
            ("Text/HTML;charset=utf-8;q=0.1", Form::Html),
            ("text/html;q=0", Form::Text),
            ("*/*", Form::Text),
            ("", Form::Text),
        ] {
            assert_eq!(form(accept), wanted, "{accept}");
        }
        assert_eq!(Asked::new(&Method::GET, &HeaderMap::new()).form(), Form::Text);
    }

    proptest! {
        #[test]
        fn nothing_from_a_stranger_makes_it_fail(list in ".{0,60}") {
            prop_assert!(weighted(&list).all(|(_, weight)| weight <= 1_000));
        }
    }
}
