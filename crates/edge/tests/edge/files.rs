//! What a target has to give, by path.

use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use hyper::{HeaderMap, Response};

use crate::support::{stream_of, text};

/// A text that shrinks.
pub(crate) fn todos(bytes: usize) -> String {
    "{\"title\": \"a todo\", \"done\": false}, ".chars().cycle().take(bytes).collect()
}

pub(crate) fn answer(path: &str, asked: &HeaderMap) -> Response<BoxBody<Bytes, Infallible>> {
    let response = Response::builder().header("content-type", "application/json").header("accept-ranges", "bytes");
    let holds = |tag: &str| {
        // As RFC 9110 has it: compared without regard to the mark of weakness.
        let known = asked.get("if-none-match").and_then(|known| known.to_str().ok()).unwrap_or_default();
        known.split(',').any(|known| known.trim().trim_start_matches("W/") == tag)
    };
    let response = match path {
        "/tagged" if holds("\"v1\"") => Response::builder().status(304).header("etag", "\"v1\"").body(text("")),
        "/tagged" => response.header("etag", "\"v1\"").body(text(&todos(5_000))),
        "/bound" if asked["if-match"] == "\"v1\"" => Response::builder().status(204).body(text("")),
        "/bound" => Response::builder().status(412).body(text("")),
        "/small" => response.body(text(&todos(100))),
        "/part" => response.status(206).header("content-range", "bytes 0-4999/9999").body(text(&todos(5_000))),
        "/done" => response.header("content-encoding", "br").body(text(&todos(5_000))),
        "/untouched" => response.header("cache-control", "private, no-transform").body(text(&todos(5_000))),
        "/picture" => Response::builder().header("content-type", "image/png").body(text(&todos(5_000))),
        "/missing" => response.status(404).body(text(&todos(5_000))),
        "/chunked" => response.body(stream_of((0..3).map(|_| todos(2_000)))),
        "/endless" => response.body(stream_of((0..).map(|piece| format!("piece {piece}\n")))),
        "/large" => response.body(text(&todos(3_000_000))),
        _ => response.body(text(&todos(5_000))),
    };
    response.expect("a response")
}
