//! Reads a request's JSON: its type, its size, the time it takes, and what it says, each with an error of its own.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use bytes::{Buf, BytesMut};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use tokio::time::{Instant, timeout_at};

use super::problem::Problem;

/// The largest document. The largest sensible one is a title of 500 characters, every one of them escaped (6 KiB).
const LARGEST_BYTES: usize = 64 * 1024;

/// What is too large is read and thrown away up to here, because a client that still sends does not see an answer that
/// comes with a closed connection.
const MOST_DISCARDED_BYTES: usize = 16 * 1024 * 1024;

/// Reads and parses the body before the deadline.
pub(crate) async fn json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Body,
    deadline: Instant,
) -> Result<T, Problem> {
    if !is_json(headers) {
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send `Content-Type: application/json`"));
    }
    let waits_for_consent = headers.contains_key(header::EXPECT);
    if waits_for_consent && content_length(headers).is_some_and(|length| length > LARGEST_BYTES) {
        return Err(too_large());
    }
    let Ok(read) = timeout_at(deadline, read(body)).await else {
        return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")
            .with(header::CONNECTION, HeaderValue::from_static("close")));
    };
    parse(&read?)
}

fn too_large() -> Problem {
    let detail = format!("the body is larger than {LARGEST_BYTES} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail).with(header::CONNECTION, HeaderValue::from_static("close"))
}

fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn read(mut body: Body) -> Result<BytesMut, Problem> {
    let mut kept = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body ended too early"))?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.remaining();
        if length <= LARGEST_BYTES {
            kept.extend_from_slice(&data);
        } else if length > MOST_DISCARDED_BYTES {
            break;
        }
    }
    if length > LARGEST_BYTES { Err(too_large()) } else { Ok(kept) }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let Ok(text) = std::str::from_utf8(body) else {
        return Err(Problem::new(StatusCode::BAD_REQUEST, "the body is not UTF-8"));
    };
    let parsed: T = serde_json::from_str(text).map_err(|error| match error.classify() {
        Category::Data => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, format!("a field cannot be used: {error}")),
        _ => Problem::new(StatusCode::BAD_REQUEST, format!("the body is not JSON: {error}")),
    })?;
    // A list of values by position would do for the parser, and is no part of the contract.
    if text.trim_start().starts_with('{') {
        Ok(parsed)
    } else {
        Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the body is not a JSON object"))
    }
}
