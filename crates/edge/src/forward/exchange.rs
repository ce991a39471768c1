//! One request and its answer, from the first byte to the last: counted and logged when it is dropped, so that none is
//! forgotten, whichever way it ends.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::time::sleep;

use super::Core;
use super::pool::Sender;
use crate::balance::{Claim, Target};
use crate::count::One;
use crate::ledger::{End as Ended, Outcome};

/// What is known of a request so far.
#[derive(Debug)]
pub(crate) struct Exchange {
    core: Rc<Core>,
    _open: One,
    began: Instant,
    line: Line,
    latency: Option<Duration>,
    outcome: End,
    /// Where the edge answered itself: whether as it was told to, or since no target could.
    own: Option<Ended>,
    /// Its place at the target, until the last byte.
    claim: Option<Claim>,
    /// The connection that the answer comes on, for the next request.
    connection: Option<(Arc<Target>, Sender)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Neither ended nor broken off: a client that leaves now has left by itself.
    Open,
    Complete,
    BrokeOff,
}

/// The access log's line. Query strings are left out: they carry tokens.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Line {
    pub(crate) request_id: String,
    pub(crate) client: String,
    pub(crate) method: String,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) service: String,
    pub(crate) release: String,
    pub(crate) target: String,
    pub(crate) status: u16,
    pub(crate) bytes: u64,
    pub(crate) attempts: u32,
    pub(crate) held_ms: f64,
    pub(crate) first_byte_ms: f64,
    pub(crate) duration_ms: f64,
    pub(crate) end: &'static str,
}

impl Exchange {
    pub(crate) fn new(core: Rc<Core>, line: Line) -> Self {
        let _open = core.exchanges.one();
        Self {
            core,
            _open,
            began: Instant::now(),
            line,
            latency: None,
            outcome: End::Open,
            own: None,
            claim: None,
            connection: None,
        }
    }

    pub(crate) fn line(&mut self) -> &mut Line {
        &mut self.line
    }

    /// It is given to a target now.
    pub(crate) fn given_to(&mut self, claim: Claim) {
        self.line.release.clone_from(&claim.target().release);
        self.line.target.clone_from(&claim.target().name);
        self.line.attempts += 1;
        self.claim = Some(claim);
    }

    /// The target's answer begins, or the edge's own, which is its end as well.
    pub(crate) fn answered(&mut self, status: u16) {
        self.line.status = status;
        self.latency = Some(self.began.elapsed());
    }

    /// The edge's own answer begins, and ends.
    pub(crate) fn answered_by_us(&mut self, status: u16, ended: Ended) {
        self.answered(status);
        self.own = Some(ended);
        self.complete();
    }

    /// The target that has it.
    pub(crate) fn target(&self) -> Option<&Arc<Target>> {
        self.claim.as_ref().map(Claim::target)
    }

    /// Completes when what would last for ever has to end, since its target drains or the edge leaves.
    pub(crate) fn last_call(&self) -> impl Future<Output = ()> + 'static {
        let leaving = self.target().map(|target| target.leaving().clone()).unwrap_or_default();
        let edge = self.core.shift.borrow().clone();
        let window = self.core.shared.settings.stream_window.mul_f64(fastrand::f64());
        async move {
            tokio::select! {
                () = leaving.cancelled() => {}
                () = edge.cancelled() => {}
            }
            sleep(window).await;
        }
    }

    /// The target could not answer: the place there is given back.
    pub(crate) fn taken_back(&mut self) {
        self.claim = None;
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        self.line.bytes += bytes as u64;
    }

    /// The connection is another request's once this one has been answered whole.
    pub(crate) fn keep(&mut self, target: Arc<Target>, sender: Sender) {
        self.connection = Some((target, sender));
    }

    pub(crate) fn complete(&mut self) {
        if self.outcome == End::Open {
            self.outcome = End::Complete;
        }
        if self.outcome == End::Complete
            && let Some((target, sender)) = self.connection.take()
        {
            self.core.pool.give_back(&target, sender);
        }
    }

    /// It was ended in its midst, as it was meant to be; the connection to the target cannot be used again.
    pub(crate) fn ended_by_us(&mut self) {
        self.outcome = End::Complete;
    }

    pub(crate) fn broke_off(&mut self) {
        self.outcome = End::BrokeOff;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.claim = None;
        let latency = self.latency.unwrap_or_else(|| self.began.elapsed());
        // A client that left is no failure of ours; one whose answer never began was not answered by anybody.
        let left = self.outcome == End::Open;
        self.line.end = match self.outcome {
            End::Open => "client left",
            End::Complete => "complete",
            End::BrokeOff => "broke off",
        };
        if !(left && self.latency.is_none()) {
            self.core.shared.ledger.of(&self.line.service, &self.line.release).count(Outcome {
                end: match self.outcome {
                    End::BrokeOff => Ended::BrokenOff,
                    End::Open | End::Complete => self.own.unwrap_or(Ended::Answered),
                },
                status: self.line.status,
                latency,
                held: self.line.held_ms > 0.0,
                retried: self.line.attempts > 1,
            });
        }
        self.line.first_byte_ms = milliseconds(latency);
        self.line.duration_ms = milliseconds(self.began.elapsed());
        self.core.log(&self.line);
    }
}

/// With one decimal: finer is noise.
pub(crate) fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}
