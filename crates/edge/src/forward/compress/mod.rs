//! Answers are compressed where the client takes it, the target has not done it, and it is worth it.

mod body;
mod coder;
mod eligible;

use std::rc::Rc;
use std::str::FromStr;

use hyper::Response;
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};

use super::asked::{Asked, weighted};
use crate::limit::{Hits, Limit};
use crate::settings::AnswerSettings;
pub(crate) use body::Compressed;
pub(crate) use coder::{Coder, Coders};

/// How an answer may be compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// Half the CPU of gzip for as few bytes; browsers take it over TLS alone.
    Zstd,
    /// Everybody takes it.
    Gzip,
}

impl Coding {
    fn name(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }
}

/// The codings that are used, the one that is liked best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Codings(pub Vec<Coding>);

impl FromStr for Codings {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(Vec::new()));
        }
        let coding = |name: &str| [Coding::Zstd, Coding::Gzip].into_iter().find(|coding| coding.name() == name);
        let codings: Option<_> = text.split(',').map(|name| coding(name.trim())).collect();
        codings.map(Self).ok_or_else(|| "codings are `zstd,gzip`, one of them, or `off`".to_owned())
    }
}

/// Prepares the answer for compression; none where it goes as it is.
pub(crate) fn prepare(
    settings: &AnswerSettings,
    coders: &Rc<Coders>,
    hits: &Hits,
    asked: &Asked,
    response: &mut Response<Incoming>,
) -> Option<Coder> {
    if settings.compression.0.is_empty() {
        return None;
    }
    if response.status() == hyper::StatusCode::NOT_MODIFIED {
        as_it_was_sent(asked, response.headers_mut());
        return None;
    }
    let length = response.body().size_hint().exact();
    let is_small = length.is_some_and(|length| length < settings.compression_min_bytes.max(1));
    if is_small || !eligible::is_eligible(response.status(), response.headers()) {
        return None;
    }
    // Also where this client takes none: a cache must not give it to one that does, nor the other way round.
    vary(response.headers_mut());
    let coding = choose(&settings.compression.0, asked.codings())?;
    if asked.may_be_lured() {
        return None;
    }
    let coder = coders.take(coding, settings.compressions);
    if coder.is_none() {
        hits.hit(Limit::Compressions);
    }
    let coder = coder?;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
    headers.remove(header::CONTENT_LENGTH);
    // Parts would be of what is not sent.
    headers.remove(header::ACCEPT_RANGES);
    if let Some(weak) = headers.get(header::ETAG).and_then(weakened) {
        headers.insert(header::ETAG, weak);
    }
    Some(coder)
}

/// Gives tags that were made weak on the way out their strength back on the way in: a change that is bound to a version
/// (`If-Match`) compares strongly, and would otherwise always be refused. A target that has weak tags of its own still
/// refuses them, since no weak tag equals a strong one.
pub(crate) fn strengthen(settings: &AnswerSettings, headers: &mut HeaderMap) {
    if settings.compression.0.is_empty() || !headers.contains_key(header::IF_MATCH) {
        return;
    }
    let values: Vec<_> = headers.get_all(header::IF_MATCH).iter().map(strengthened).collect();
    headers.remove(header::IF_MATCH);
    for value in values {
        headers.append(header::IF_MATCH, value);
    }
}

/// A list of tags without the marks of weakness, which stand between the tags: within one it would be a part of it.
fn strengthened(tags: &HeaderValue) -> HeaderValue {
    let (mut strong, mut is_within) = (Vec::with_capacity(tags.len()), false);
    for byte in tags.as_bytes() {
        if *byte == b'"' {
            if !is_within && strong.ends_with(b"W/") {
                strong.truncate(strong.len() - 2);
            }
            is_within = !is_within;
        }
        strong.push(*byte);
    }
    // What was taken out leaves a value that is one.
    HeaderValue::from_bytes(&strong).unwrap_or_else(|_| tags.clone())
}

/// The one with the highest weight among those that the client takes; of several, the first of ours.
fn choose(ours: &[Coding], accepted: &str) -> Option<Coding> {
    let (mut best, mut identity, mut others) = (None, 0, 0);
    let mut weights = [None; 2];
    for (name, weight) in weighted(accepted) {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        match () {
            () if is("zstd") => weights[Coding::Zstd as usize] = Some(weight),
            () if is("gzip") || is("x-gzip") => weights[Coding::Gzip as usize] = Some(weight),
            () if is("identity") => identity = weight,
            () if is("*") => others = weight,
            () => {}
        }
    }
    let mut highest = identity.max(1);
    for coding in ours {
        let weight = weights[*coding as usize].unwrap_or(others);
        if weight > highest || (weight == highest && best.is_none()) {
            (best, highest) = (Some(*coding), weight);
        }
    }
    best
}

/// What was compressed is equal in meaning to what the target sent, and not byte by byte.
fn weakened(tag: &HeaderValue) -> Option<HeaderValue> {
    let is_strong = tag.as_bytes().starts_with(b"\"");
    let weak = [b"W/", tag.as_bytes()].concat();
    HeaderValue::from_bytes(&weak).ok().filter(|_| is_strong)
}

/// A client that has the weak form of a tag is told that this is the one that still holds.
fn as_it_was_sent(asked: &Asked, headers: &mut HeaderMap) {
    let Some(weak) = headers.get(header::ETAG).and_then(weakened) else { return };
    let holds = |known: &HeaderValue| {
        let weak = weak.as_bytes();
        known.as_bytes().windows(weak.len()).any(|part| part == weak)
    };
    if asked.none_match().is_some_and(holds) {
        headers.insert(header::ETAG, weak);
        vary(headers);
    }
}

fn vary(headers: &mut HeaderMap) {
    let named = headers.get_all(header::VARY).iter().filter_map(|value| value.to_str().ok());
    let mut names = named.flat_map(|value| value.split(',')).map(str::trim);
    if !names.any(|name| name == "*" || name.eq_ignore_ascii_case("accept-encoding")) {
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOTH: [Coding; 2] = [Coding::Zstd, Coding::Gzip];

    #[test]
    fn the_client_says_what_it_takes_and_we_which_of_it() {
        use Coding::{Gzip, Zstd};
        for (accepted, ours, chosen) in [
            ("gzip, deflate, br, zstd", &BOTH[..], Some(Zstd)),
            ("gzip, deflate, br, zstd", &[Gzip, Zstd], Some(Gzip)),
            ("gzip, deflate, br, zstd", &[Gzip], Some(Gzip)),
            ("gzip, deflate", &BOTH, Some(Gzip)),
            ("X-GZIP;q=0.5", &BOTH, Some(Gzip)),
            ("zstd;q=0.5, gzip;q=0.9", &BOTH, Some(Gzip)),
            ("zstd;q=0, *", &BOTH, Some(Gzip)),
            ("*;q=0.1", &BOTH, Some(Zstd)),
            ("zstd;q=0, gzip;q=0.000", &BOTH, None),
            ("identity, gzip;q=0.5", &BOTH, None),
            ("identity;q=0.5, gzip", &BOTH, Some(Gzip)),
            ("identity, gzip", &BOTH, Some(Gzip)),
            ("br", &BOTH, None),
            ("", &BOTH, None),
            ("gzip", &[], None),
        ] {
            assert_eq!(choose(ours, accepted), chosen, "{accepted} of {ours:?}");
        }
    }

    #[test]
    fn a_strong_tag_becomes_weak_and_a_weak_one_stays() {
        let weak = |tag| weakened(&HeaderValue::from_static(tag)).map(|tag| tag.to_str().map(str::to_owned).ok());
        assert_eq!(weak("\"a\""), Some(Some("W/\"a\"".to_owned())));
        assert_eq!(weak("W/\"a\""), None);
    }

    #[test]
    fn tags_come_back_as_the_target_sent_them() {
        for (said, heard) in [
            ("W/\"a\", \"b\",W/\"c\"", "\"a\", \"b\",\"c\""),
            ("\"aW/\", W/\"W/\"", "\"aW/\", \"W/\""),
            ("*", "*"),
            ("W/", "W/"),
        ] {
            assert_eq!(strengthened(&HeaderValue::from_static(said)), heard);
        }
    }

    #[test]
    fn what_it_varies_by_is_said_once() {
        for (said, lines) in [(None, 1), (Some("Accept, Accept-Encoding"), 1), (Some("*"), 1), (Some("accept"), 2)] {
            let mut headers = HeaderMap::new();
            if let Some(said) = said {
                headers.insert(header::VARY, HeaderValue::from_static(said));
            }
            vary(&mut headers);
            assert_eq!(headers.get_all(header::VARY).iter().count(), lines, "{said:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_from_a_stranger_makes_it_fail(accepted in "[gzipstd*;q=0-9., ]{0,40}") {
            let _ = choose(&BOTH, &accepted);
        }

        #[test]
        fn no_list_of_tags_makes_it_fail(tags in "[W/\"a, *]{0,20}") {
            let _ = strengthened(&HeaderValue::from_str(&tags).expect("a value"));
        }
    }
}
