//! What the edge says itself, where no target does.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};

use super::Shared;
use super::asked::{Asked, Form};
use super::body::Answer;
use super::exchange::Exchange;
use crate::ledger::End;
use crate::limit::Limit;
use crate::pages::Page;

/// When to ask again during maintenance, which takes minutes: as our page does.
const MAINTENANCE_SECONDS: u64 = 30;

/// Why a request gets an answer of the edge's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    NoRoute,
    /// This is no proxy for the world.
    Connect,
    TooLarge,
    SlowBody,
    BadBody,
    NoTarget,
    TooManyHeld,
    BadTarget,
    SlowTarget,
    /// So long too early.
    TooOften(Duration),
    Maintenance,
}

impl Own {
    fn status(self) -> StatusCode {
        match self {
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Connect => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::SlowBody => StatusCode::REQUEST_TIMEOUT,
            Self::BadBody => StatusCode::BAD_REQUEST,
            Self::NoTarget | Self::TooManyHeld | Self::Maintenance => StatusCode::SERVICE_UNAVAILABLE,
            Self::BadTarget => StatusCode::BAD_GATEWAY,
            Self::SlowTarget => StatusCode::GATEWAY_TIMEOUT,
            Self::TooOften(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::NoRoute => "Nothing is served under this name.",
            Self::Connect => "This server opens no tunnels.",
            Self::TooLarge => "The request's body is too large.",
            Self::SlowBody => "The request's body did not arrive in time.",
            Self::BadBody => "The request's body broke off.",
            Self::NoTarget | Self::TooManyHeld => "The service is not available now. Please try again.",
            Self::BadTarget => "The service broke off while it answered.",
            Self::SlowTarget => "The service did not answer in time.",
            Self::TooOften(_) => "These are too many requests. Please try again later.",
            Self::Maintenance => "The service is closed for maintenance. Please try again later.",
        }
    }

    /// When to ask again, in seconds, where that is of use.
    fn retry_after(self) -> Option<u64> {
        match self {
            Self::NoTarget | Self::TooManyHeld => Some(1),
            // A whole second more than was said is enough; a part of one less is not.
            Self::TooOften(wait) => Some(wait.as_secs() + 1),
            Self::Maintenance => Some(MAINTENANCE_SECONDS),
            _ => None,
        }
    }

    fn page(self) -> Option<Page> {
        match self {
            Self::NoTarget | Self::TooManyHeld => Some(Page::Unavailable),
            Self::Maintenance => Some(Page::Maintenance),
            _ => None,
        }
    }

    /// Whether it was told to say so, and it is no failure.
    fn end(self) -> End {
        if matches!(self, Self::TooOften(_) | Self::Maintenance) { End::Refused } else { End::Failed }
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
}

/// Says it.
pub(super) fn answer(own: Own, shared: &Shared, asked: &Asked, mut exchange: Box<Exchange>) -> Response<Answer> {
    if let Some(limit) = own.limit() {
        shared.hits.hit(limit);
    }
    exchange.answered_by_us(own.status().as_u16(), own.end());
    let (media_type, body) = said(own, shared, asked);
    let mut response = Response::new(Answer::Own(Some(body)));
    *response.status_mut() = own.status();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(seconds) = own.retry_after() {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

/// The words, in the form that the client reads.
fn said(own: Own, shared: &Shared, asked: &Asked) -> (&'static str, Bytes) {
    match (asked.form(), own.page()) {
        (Form::Html, Some(page)) => ("text/html; charset=utf-8", shared.pages.html(page, asked.reads())),
        (Form::Problem, _) => {
            let title = own.status().canonical_reason().unwrap_or_default();
            let problem = serde_json::json!({ "status": own.status().as_u16(), "title": title, "detail": own.words() });
            ("application/problem+json", problem.to_string().into())
        }
        _ => ("text/plain; charset=utf-8", format!("{}\n", own.words()).into()),
    }
}
