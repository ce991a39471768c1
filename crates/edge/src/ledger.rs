//! What became of the requests, by service and release: the receipt of a deploy, and what a new release is judged by.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Upper bounds of the latency buckets in milliseconds, around the objective of 250 ms.
pub const BUCKETS_MS: [u64; 12] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000];

/// The counts of one release. All only grow.
#[derive(Debug, Default)]
pub struct Counts {
    answered: AtomicU64,
    errors: AtomicU64,
    failed: AtomicU64,
    held: AtomicU64,
    retried: AtomicU64,
    /// The last one is of all that took longer than every bound.
    latency: [AtomicU64; BUCKETS_MS.len() + 1],
}

/// The counts at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Requests that a target answered, whatever it said.
    pub answered: u64,
    /// Of those, the ones that it answered with a status of 500 or more.
    pub errors: u64,
    /// Requests that no target answered, or whose answer broke off.
    pub failed: u64,
    /// Requests that waited for a target.
    pub held: u64,
    /// Requests that were sent more than once.
    pub retried: u64,
    /// Requests by the time until their answer began: as many as took no longer than each bound of `BUCKETS_MS` and
    /// longer than the one before; the last one is of the others.
    pub latency: Vec<u64>,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The status that a target answered with; none where the edge answered.
    pub status: Option<u16>,
    /// Whether the answer ended as it should.
    pub complete: bool,
    /// Until the answer began.
    pub latency: Duration,
    /// Whether it waited for a target.
    pub held: bool,
    /// Whether it was sent more than once.
    pub retried: bool,
}

impl Counts {
    /// Counts a request that has ended.
    pub fn count(&self, outcome: Outcome) {
        let add = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        match outcome.status {
            Some(status) if outcome.complete => {
                let _ = add(&self.answered);
                if status >= 500 {
                    let _ = add(&self.errors);
                }
            }
            _ => drop(add(&self.failed)),
        }
        if outcome.held {
            let _ = add(&self.held);
        }
        if outcome.retried {
            let _ = add(&self.retried);
        }
        let spent = outcome.latency.as_micros();
        let bucket = BUCKETS_MS.iter().position(|bound| spent <= u128::from(*bound) * 1_000);
        let _ = add(&self.latency[bucket.unwrap_or(BUCKETS_MS.len())]);
    }

    /// The counts now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Snapshot {
            answered: get(&self.answered),
            errors: get(&self.errors),
            failed: get(&self.failed),
            held: get(&self.held),
            retried: get(&self.retried),
            latency: self.latency.iter().map(get).collect(),
        }
    }
}

/// The counts of all releases.
#[derive(Debug, Default)]
pub struct Ledger(RwLock<BTreeMap<String, BTreeMap<String, Arc<Counts>>>>);

impl Ledger {
    /// The counts of a release; of the edge's own answers where the release is empty.
    #[must_use]
    pub fn of(&self, service: &str, release: &str) -> Arc<Counts> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counts) = known.get(service).and_then(|releases| releases.get(release)) {
            return Arc::clone(counts);
        }
        drop(known);
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(service.to_owned()).or_default().entry(release.to_owned()).or_default())
    }

    /// All counts now, by service and release.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<String, BTreeMap<String, Snapshot>> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let releases = |releases: &BTreeMap<String, Arc<Counts>>| {
            releases.iter().map(|(release, counts)| (release.clone(), counts.snapshot())).collect()
        };
        all.iter().map(|(service, counts)| (service.clone(), releases(counts))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: Option<u16>, complete: bool, ms: u64) -> Outcome {
        Outcome { status, complete, latency: Duration::from_millis(ms), held: false, retried: false }
    }

    #[test]
    fn each_request_is_counted_once_as_what_it_was() {
        let ledger = Ledger::default();
        let counts = ledger.of("app", "1");
        counts.count(outcome(Some(200), true, 1));
        counts.count(outcome(Some(503), true, 2));
        counts.count(outcome(Some(200), false, 251));
        counts.count(Outcome { held: true, retried: true, ..outcome(None, true, 99_999) });
        let seen = ledger.snapshot()["app"]["1"].clone();
        assert_eq!((seen.answered, seen.errors, seen.failed, seen.held, seen.retried), (2, 1, 2, 1, 1));
        assert_eq!(seen.latency, [1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
        assert!(Arc::ptr_eq(&counts, &ledger.of("app", "1")));
    }
}
