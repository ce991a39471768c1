//! The page and what it loads, from the binary. Copies are kept by the browser and checked before each use, so that a
//! new release is seen at once and an unchanged file is not sent again.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::call::Call;
use super::conditional;
use super::problem::Problem;
use crate::app::App;
use crate::embedded::ASSETS;

/// What `/` is.
const INDEX: &str = "index.html";

/// All files, by name.
#[derive(Debug)]
pub(crate) struct Assets(HashMap<&'static str, Asset>);

#[derive(Debug)]
struct Asset {
    content: &'static [u8],
    content_type: &'static str,
    tag: String,
}

impl Assets {
    pub(crate) fn embedded() -> Self {
        Self::of(ASSETS)
    }

    fn of(files: &'static [(&'static str, &'static [u8])]) -> Self {
        let asset = |&(name, content): &(&'static str, &'static [u8])| {
            let tag = hex(&Sha256::digest(content)[..16]);
            (name, Asset { content, content_type: content_type(name), tag })
        };
        Self(files.iter().map(asset).collect())
    }
}

/// GET of a file by its name, or of the page.
pub(crate) async fn serve(State(app): State<Arc<App>>, call: Call) -> Result<Response, Problem> {
    let name = match call.uri.path().trim_start_matches('/') {
        "" => INDEX,
        name => name,
    };
    let asset = app.assets.0.get(name).ok_or_else(|| call.not_found())?;
    if conditional::is_known(&call.headers, &asset.tag) {
        return Ok(conditional::not_modified(&asset.tag));
    }
    let content_type = (header::CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    let tag = (header::ETAG, conditional::etag(&asset.tag));
    Ok(([content_type, tag, conditional::no_cache()], asset.content).into_response())
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "json" | "webmanifest" => "application/json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
