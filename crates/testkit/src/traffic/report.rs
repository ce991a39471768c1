//! What a client noticed, as numbers, as text and as JSON.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// What a client noticed between two marks. Times of day are milliseconds since the start of the traffic.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Requests that have ended, answered or not.
    pub sent: u64,
    /// Requests that got a whole answer, whatever its status.
    pub answered: u64,
    /// Requests that have not ended yet; they count in a later report.
    pub in_flight: u64,
    /// Whole answers by their status.
    pub by_status: BTreeMap<u16, u64>,
    /// Everything that a client would call an error: of requests, of the event stream and of the WebSocket.
    pub failed: u64,
    /// The first of the failures.
    pub failures: Vec<Failure>,
    /// Half of the answers took no longer, counted from when their request was due.
    pub requests_p50_ms: f64,
    /// 99 of 100 answers took no longer.
    pub requests_p99_ms: f64,
    /// The answer that took longest.
    pub slowest: Option<Slowest>,
    /// The longest time without a successful answer. It is known no better than requests are sent.
    pub longest_gap_ms: f64,
    /// By how much the generator itself was late at the worst; the times above are known no better than that.
    pub sent_late_ms: f64,
    /// Kept connections that the server had closed while they were idle. That is its right.
    pub idle_closed: u64,
    /// Whole events of the event stream.
    pub stream_events: u64,
    /// How often the event stream was opened again.
    pub stream_reopened: u64,
    /// Texts that came back over the WebSocket.
    pub socket_echoes: u64,
    /// How often the WebSocket was opened again.
    pub socket_reopened: u64,
    /// Ids of the posts that were answered with success.
    #[serde(skip)]
    pub acknowledged: Vec<String>,
    /// Ids of all posts that have ended, answered or not.
    #[serde(skip)]
    pub sent_ids: Vec<String>,
}

/// Something that a client would call an error.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// When it was noticed.
    pub at_ms: u64,
    /// Of what.
    pub kind: Kind,
    /// What happened.
    pub words: String,
}

/// The answer that took longest.
#[derive(Debug, Clone, Serialize)]
pub struct Slowest {
    /// How long, counted from when its request was due.
    pub ms: f64,
    /// When its request was due.
    pub at_ms: u64,
    /// To what.
    pub kind: Kind,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A `GET` on a kept connection.
    Get,
    /// A `GET` with a connection of its own.
    GetOnce,
    /// A `POST` on a kept connection.
    Post,
    /// The event stream.
    Events,
    /// The WebSocket.
    Socket,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "GET",
            Self::GetOnce => "GET on a connection of its own",
            Self::Post => "POST",
            Self::Events => "event stream",
            Self::Socket => "WebSocket",
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} requests, {} answered", self.sent, self.answered)?;
        for (status, answers) in &self.by_status {
            write!(f, ", {answers} x {status}")?;
        }
        writeln!(f, "; {} in flight; {} failures", self.in_flight, self.failed)?;
        write!(f, "p50 {:.1} ms, p99 {:.1} ms", self.requests_p50_ms, self.requests_p99_ms)?;
        if let Some(Slowest { ms, at_ms, kind }) = &self.slowest {
            write!(f, ", slowest {ms:.1} ms ({kind} at {at_ms} ms)")?;
        }
        writeln!(f, ", longest gap {:.1} ms, sent late by {:.1} ms", self.longest_gap_ms, self.sent_late_ms)?;
        write!(f, "event stream: {} events, reopened {}; ", self.stream_events, self.stream_reopened)?;
        write!(f, "WebSocket: {} echoes, reopened {}; ", self.socket_echoes, self.socket_reopened)?;
        write!(f, "idle connections closed: {}", self.idle_closed)?;
        for Failure { at_ms, kind, words } in &self.failures {
            write!(f, "\n  {at_ms} ms: {kind}: {words}")?;
        }
        let unnamed = self.failed.saturating_sub(self.failures.len() as u64);
        if unnamed > 0 {
            write!(f, "\n  and {unnamed} more")?;
        }
        Ok(())
    }
}
