//! The limits, each with its reason.

use std::time::Duration;

use crate::balance::Hysteresis;

/// What the edge waits for, and how much of anything it takes.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Time for a request's head, and the longest that a connection may idle. Slow clients hold a connection each, and
    /// browsers keep idle ones for minutes.
    pub head_time: Duration,
    /// The head of a request. Cookies of 16 KiB are a mistake already; targets refuse more than that.
    pub head_bytes: usize,
    /// The body of a request. Larger is 413 before a target sees it.
    pub body_bytes: u64,
    /// Bodies up to here are read before a target is chosen: a slow client then holds no target, and the request can be
    /// sent again when a target dies.
    pub buffer_bytes: u64,
    /// Connections of all clients together; more wait in the kernel's queue.
    pub connections: usize,
    /// Requests that wait for a target. More are refused at once, since each holds memory and a connection.
    pub held: usize,
    /// How long a request waits for a target: longer than a replica or a database takes to come back, and shorter than
    /// a person's patience.
    pub held_time: Duration,
    /// Time for a connection to a target. It is on the same machine: what takes longer is not there.
    pub dial_time: Duration,
    /// Time until a target begins its answer.
    pub first_byte_time: Duration,
    /// How long a connection to a target is kept without use. Shorter than the targets keep it (node.js: 5 s), or a
    /// request is sent into a connection that closes.
    pub idle_time: Duration,
    /// Between two probes of a target that is ready. One that is not is asked ten times as often.
    pub probe_interval: Duration,
    /// Time for a probe's answer.
    pub probe_time: Duration,
    /// What is asked of a target.
    pub probe_path: String,
    /// How many probes change the verdict.
    pub hysteresis: Hysteresis,
    /// How long requests may take to end when the edge leaves.
    pub grace: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            head_time: Duration::from_secs(60),
            head_bytes: 32 * 1024,
            body_bytes: 16 * 1024 * 1024,
            buffer_bytes: 64 * 1024,
            connections: 10_000,
            held: 1_000,
            held_time: Duration::from_secs(30),
            dial_time: Duration::from_secs(1),
            first_byte_time: Duration::from_secs(60),
            idle_time: Duration::from_secs(4),
            probe_interval: Duration::from_secs(1),
            probe_time: Duration::from_secs(2),
            probe_path: "/readyz".into(),
            hysteresis: Hysteresis { rise: 2, fall: 3 },
            grace: Duration::from_secs(30),
        }
    }
}
