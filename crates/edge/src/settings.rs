//! The limits, each with its reason.

mod answers;
mod clients;

use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, FromArgMatches as _};

use crate::balance::Hysteresis;
pub use crate::forward::{Coding, Codings};
pub use answers::AnswerSettings;
pub use clients::ClientSettings;

/// What the edge waits for, and how much of anything it takes.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// Time for a request's head, and the longest that a connection may idle. Slow clients hold a connection each, and
    /// browsers keep idle ones for minutes.
    #[arg(long, env = "EDGE_HEAD_TIME", value_parser = humantime::parse_duration, default_value = "60s")]
    pub head_time: Duration,
    /// The head of a request. Cookies of 16 KiB are a mistake already; targets refuse more than that.
    #[arg(long, env = "EDGE_HEAD_BYTES", default_value = "32768")]
    pub head_bytes: usize,
    /// The body of a request. Larger is 413 before a target sees it.
    #[arg(long, env = "EDGE_BODY_BYTES", default_value = "16777216")]
    pub body_bytes: u64,
    /// Bodies up to here are read before a target is chosen: a slow client then holds no target, and the request can be
    /// sent again when a target dies.
    #[arg(long, env = "EDGE_BUFFER_BYTES", default_value = "65536")]
    pub buffer_bytes: u64,
    /// Connections of all clients together; more wait in the kernel's queue.
    #[arg(long, env = "EDGE_CONNECTIONS", default_value = "10000")]
    pub connections: usize,
    /// Requests that wait for a target. More are refused at once, since each holds memory and a connection.
    #[arg(long, env = "EDGE_HELD", default_value = "1000")]
    pub held: usize,
    /// How long a request waits for a target: longer than a replica or a database takes to come back, and shorter than
    /// a person's patience.
    #[arg(long, env = "EDGE_HELD_TIME", value_parser = humantime::parse_duration, default_value = "30s")]
    pub held_time: Duration,
    /// Time for a connection to a target. It is on the same machine, and the kernel answers for it: what takes longer is
    /// not there, and another target is tried.
    #[arg(long, env = "EDGE_DIAL_TIME", value_parser = humantime::parse_duration, default_value = "250ms")]
    pub dial_time: Duration,
    /// Time until a target begins its answer.
    #[arg(long, env = "EDGE_FIRST_BYTE_TIME", value_parser = humantime::parse_duration, default_value = "60s")]
    pub first_byte_time: Duration,
    /// How long a connection to a target is kept without use. Shorter than the targets keep it (node.js: 5 s), or a
    /// request is sent into a connection that closes.
    #[arg(long, env = "EDGE_IDLE_TIME", value_parser = humantime::parse_duration, default_value = "4s")]
    pub idle_time: Duration,
    /// Between two probes of a target that is ready. One that is not is asked ten times as often.
    #[arg(long, env = "EDGE_PROBE_INTERVAL", value_parser = humantime::parse_duration, default_value = "1s")]
    pub probe_interval: Duration,
    /// Time for a probe's answer.
    #[arg(long, env = "EDGE_PROBE_TIME", value_parser = humantime::parse_duration, default_value = "2s")]
    pub probe_time: Duration,
    /// What is asked of a target.
    #[arg(long, env = "EDGE_PROBE_PATH", default_value = "/readyz")]
    pub probe_path: String,
    /// How many probes change the verdict.
    #[command(flatten)]
    pub hysteresis: Hysteresis,
    /// Event streams and WebSockets of a target that drains are ended at a moment of their own within this time, so that
    /// their clients do not all come back at once.
    #[arg(long, env = "EDGE_STREAM_WINDOW", value_parser = humantime::parse_duration, default_value = "1s")]
    pub stream_window: Duration,
    /// How long requests may take to end when the edge leaves.
    #[arg(long, env = "EDGE_GRACE", value_parser = humantime::parse_duration, default_value = "30s")]
    pub grace: Duration,
    /// How much one client may have.
    #[command(flatten)]
    pub clients: ClientSettings,
    /// What the edge adds to answers, and says itself.
    #[command(flatten)]
    pub answers: AnswerSettings,
}

/// Reads `on` or `off`.
#[must_use]
pub fn switch() -> impl TypedValueParser<Value = bool> {
    PossibleValuesParser::new(["on", "off"]).map(|text| text == "on")
}

impl Default for Settings {
    /// What holds where nothing is set.
    fn default() -> Self {
        let matches = Self::augment_args(clap::Command::new("edge")).get_matches_from(["edge"]);
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_have_an_order() {
        let settings = Settings::default();
        assert!(settings.dial_time < settings.held_time, "several targets are tried before the client is sent away");
        assert!(settings.buffer_bytes < settings.body_bytes);
        assert!(settings.idle_time < Duration::from_secs(5), "node.js closes after five seconds");
    }
}
