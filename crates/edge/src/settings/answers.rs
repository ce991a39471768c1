//! What the edge adds to answers, and says itself.

use std::path::PathBuf;

use clap::{ArgAction, Args};

use crate::client::Net;
use crate::forward::Codings;

/// Of the answers.
#[derive(Debug, Clone, Args)]
pub struct AnswerSettings {
    /// A folder with `maintenance.html` and `unavailable.html`, which are shown instead of our pages. A change is seen
    /// within seconds.
    #[arg(long, env = "EDGE_PAGES")]
    pub pages: Option<PathBuf>,
    /// Networks whose requests pass during maintenance, such as 192.0.2.7 or 10.0.0.0/8: who works on it has to see it.
    #[arg(long, env = "EDGE_MAINTENANCE_ALLOW", value_delimiter = ',')]
    pub maintenance_allow: Vec<Net>,
    /// Whether X-Content-Type-Options, Referrer-Policy and X-Frame-Options are added where a target has not set them,
    /// and its Server header is taken out. `off` passes on what targets say and nothing else.
    #[arg(long, env = "EDGE_SECURITY_HEADERS", default_value = "on", action = ArgAction::Set, value_parser = super::switch())]
    pub security_headers: bool,
    /// How answers are compressed that a target has not compressed, the coding that is liked best first: `zstd,gzip`, one
    /// of them, or `off`. Not for what is no text, for parts, for streams of events, nor against `no-transform`.
    #[arg(long, env = "EDGE_COMPRESSION", default_value = "zstd,gzip")]
    pub compression: Codings,
    /// Answers that are smaller go as they are: they fit into one packet, or nearly.
    #[arg(long, env = "EDGE_COMPRESSION_MIN_BYTES", default_value = "1024")]
    pub compression_min_bytes: u64,
    /// Answers that one core compresses at the same time, some 300 KiB of memory each. Further ones go as they are.
    #[arg(long, env = "EDGE_COMPRESSIONS", default_value = "64")]
    pub compressions: usize,
}
