//! What the edge says itself, where no target does.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};

use super::body::Answer;
use super::exchange::Exchange;
use crate::ledger::End;
use crate::limit::{Hits, Limit};

/// Why a request gets an answer of the edge's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    NoRoute,
    TooLarge,
    SlowBody,
    BadBody,
    NoTarget,
    TooManyHeld,
    BadTarget,
    SlowTarget,
    /// So long too early.
    TooOften(Duration),
}

impl Own {
    fn status(self) -> StatusCode {
        match self {
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::BadBody => StatusCode::BAD_REQUEST,
            Self::NoTarget | Self::TooManyHeld => StatusCode::SERVICE_UNAVAILABLE,
            Self::BadTarget => StatusCode::BAD_GATEWAY,
            Self::SlowTarget => StatusCode::GATEWAY_TIMEOUT,
            Self::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// When to ask again, in seconds, where that is of use.
    fn retry_after(self) -> Option<u64> {
        match self {
            Self::NoTarget | Self::TooManyHeld => Some(1),
            // A whole second more than was said is enough; a part of one less is not.
            Self::TooOften(wait) => Some(wait.as_secs() + 1),
            _ => None,
        }
    }

    /// Whether it was told to say so, and it is no failure.
    fn end(self) -> End {
        if matches!(self, Self::TooOften(_)) { End::Refused } else { End::Failed }
    }

    /// The limit that was hit, where that is why.
    fn limit(self) -> Option<Limit> {
        match self {
            Self::TooLarge => Some(Limit::BodyBytes),
            Self::SlowBody => Some(Limit::BodyTime),
            Self::TooManyHeld => Some(Limit::Held),
            _ => None,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::NoRoute => "Nothing is served under this name.\n",
            Self::TooLarge => "The request's body is too large.\n",
            Self::SlowBody => "The request's body did not arrive in time.\n",
            Self::BadBody => "The request's body broke off.\n",
            Self::NoTarget | Self::TooManyHeld => "The service is not available now. Please try again.\n",
            Self::BadTarget => "The service broke off while it answered.\n",
            Self::SlowTarget => "The service did not answer in time.\n",
            Self::TooOften(_) => "These are too many requests. Please try again later.\n",
        }
    }
}

/// Says it.
pub(super) fn answer(own: Own, hits: &Hits, mut exchange: Box<Exchange>) -> Response<Answer> {
    if let Some(limit) = own.limit() {
        hits.hit(limit);
    }
    exchange.answered_by_us(own.status().as_u16(), own.end());
    let mut response = Response::new(Answer::Own(Some(Bytes::from_static(own.words().as_bytes()))));
    *response.status_mut() = own.status();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = own.retry_after() {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}
