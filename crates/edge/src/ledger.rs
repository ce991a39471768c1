//! What became of the requests, by service and release: the receipt of a deploy, and what a new release is judged by.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::balance::{Service, Services};

/// Upper bounds of the latency buckets in milliseconds, around the objective of 250 ms.
pub const BUCKETS_MS: [u64; 12] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 10_000];

/// Releases of a service that stay in the ledger after their last target has gone: those that a person looks back at
/// when a deploy went wrong. More would be series that nobody reads and the metrics' reader pays for.
pub const KEPT_RELEASES: usize = 8;

/// How long every release stays that has just gone, so that its last counts are read whatever the number of deploys.
pub const KEPT_TIME: Duration = Duration::from_secs(600);

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// A target answered, and its answer ended as it should.
    Answered,
    /// No target answered; the edge had to.
    Failed,
    /// The answer broke off.
    BrokenOff,
    /// The edge answered as it was told to: maintenance, or too much of one client.
    Refused,
}

impl End {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Answered, Self::Failed, Self::BrokenOff, Self::Refused];
}

/// Classes of status: none where no answer began, then 1xx to 5xx.
pub const CLASSES: usize = 6;

/// The counts of one release. All only grow.
#[derive(Debug, Default)]
pub struct Counts {
    requests: [[AtomicU64; CLASSES]; End::ALL.len()],
    held: AtomicU64,
    retried: AtomicU64,
    /// The last one is of all that took longer than every bound.
    latency: [AtomicU64; BUCKETS_MS.len() + 1],
    latency_sum_us: AtomicU64,
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
    /// Requests that the edge answered as it was told to: maintenance, or too much of one client.
    #[serde(default)]
    pub refused: u64,
    /// Requests that waited for a target.
    pub held: u64,
    /// Requests that were sent more than once.
    pub retried: u64,
    /// Requests by the time until their answer began: as many as took no longer than each bound of `BUCKETS_MS` and
    /// longer than the one before; the last one is of the others. Without those that were refused, which take no time.
    pub latency: Vec<u64>,
    /// The sum of these times.
    #[serde(default)]
    pub latency_sum_us: u64,
    /// Requests by `End`, in the order of `End::ALL`, and class of status.
    #[serde(skip)]
    pub requests: [[u64; CLASSES]; End::ALL.len()],
}

/// What there is to count of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub end: End,
    /// The status that the client got; 0 where no answer began.
    pub status: u16,
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
        let class = usize::from(outcome.status / 100);
        let _ = add(&self.requests[outcome.end as usize][if class < CLASSES { class } else { 0 }]);
        if outcome.held {
            let _ = add(&self.held);
        }
        if outcome.retried {
            let _ = add(&self.retried);
        }
        if outcome.end == End::Refused {
            return;
        }
        let spent = u64::try_from(outcome.latency.as_micros()).unwrap_or(u64::MAX);
        let bucket = BUCKETS_MS.iter().position(|bound| spent <= bound * 1_000);
        let _ = add(&self.latency[bucket.unwrap_or(BUCKETS_MS.len())]);
        let _ = self.latency_sum_us.fetch_add(spent, Ordering::Relaxed);
    }

    /// The counts now.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let requests = self.requests.each_ref().map(|classes| classes.each_ref().map(get));
        let all = |end: End| requests[end as usize].iter().sum::<u64>();
        Snapshot {
            answered: all(End::Answered),
            errors: requests[End::Answered as usize][5],
            failed: all(End::Failed) + all(End::BrokenOff),
            refused: all(End::Refused),
            held: get(&self.held),
            retried: get(&self.retried),
            latency: self.latency.iter().map(get).collect(),
            latency_sum_us: get(&self.latency_sum_us),
            requests,
        }
    }
}

/// The counts of all releases.
#[derive(Debug, Default)]
pub struct Ledger(RwLock<BTreeMap<String, BTreeMap<String, Entry>>>);

#[derive(Debug)]
struct Entry {
    counts: Arc<Counts>,
    /// When its first request ended, which is how releases are told older from newer.
    since: Instant,
    /// When it was first seen that nothing is of it any more.
    gone: Option<Instant>,
}

impl Ledger {
    /// The counts of a release; of the edge's own answers where the release is empty.
    #[must_use]
    pub fn of(&self, service: &str, release: &str) -> Arc<Counts> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = known.get(service).and_then(|releases| releases.get(release)) {
            return Arc::clone(&entry.counts);
        }
        drop(known);
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let new = || Entry { counts: Arc::default(), since: Instant::now(), gone: None };
        let entry = all.entry(service.to_owned()).or_default().entry(release.to_owned()).or_insert_with(new);
        Arc::clone(&entry.counts)
    }

    /// All counts now, by service and release.
    #[must_use]
    pub fn snapshot(&self) -> BTreeMap<String, BTreeMap<String, Snapshot>> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let releases = |releases: &BTreeMap<String, Entry>| {
            releases.iter().map(|(release, entry)| (release.clone(), entry.counts.snapshot())).collect()
        };
        all.iter().map(|(service, counts)| (service.clone(), releases(counts))).collect()
    }

    /// Forgets releases that nothing routes to and that have no target, but for the newest few of each service and
    /// those that have only just gone. Otherwise each deploy would leave its series for as long as the edge runs.
    pub fn forget(&self, services: &Services, now: Instant) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (service, releases) in all.iter_mut() {
            let service = services.get(service);
            let mut gone = Vec::new();
            for (release, entry) in releases.iter_mut() {
                if release.is_empty() || service.is_some_and(|service| is_there(service, release)) {
                    entry.gone = None;
                } else {
                    let since = *entry.gone.get_or_insert(now);
                    gone.push((entry.since, since, release.clone()));
                }
            }
            gone.sort_by_key(|(since, ..)| std::cmp::Reverse(*since));
            for (_, since, release) in gone.into_iter().skip(KEPT_RELEASES) {
                if now.saturating_duration_since(since) >= KEPT_TIME {
                    releases.remove(&release);
                }
            }
        }
    }
}

fn is_there(service: &Service, release: &str) -> bool {
    service.shares.contains_key(release) || service.members.iter().any(|member| member.target.release == release)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balance::{Balancer, Change, Hysteresis};

    fn outcome(end: End, status: u16, ms: u64) -> Outcome {
        Outcome { end, status, latency: Duration::from_millis(ms), held: false, retried: false }
    }

    #[test]
    fn each_request_is_counted_once_as_what_it_was() {
        let ledger = Ledger::default();
        let counts = ledger.of("app", "1");
        counts.count(outcome(End::Answered, 200, 1));
        counts.count(outcome(End::Answered, 503, 2));
        counts.count(outcome(End::BrokenOff, 200, 251));
        counts.count(outcome(End::Refused, 429, 0));
        counts.count(Outcome { held: true, retried: true, ..outcome(End::Failed, 0, 99_999) });
        let seen = ledger.snapshot()["app"]["1"].clone();
        assert_eq!((seen.answered, seen.errors, seen.failed, seen.held, seen.retried), (2, 1, 2, 1, 1));
        assert_eq!(seen.refused, 1);
        assert_eq!(seen.latency, [1, 1, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
        assert_eq!(seen.latency_sum_us, 100_253_000);
        assert_eq!(seen.requests[End::Answered as usize], [0, 0, 1, 0, 0, 1]);
        assert!(Arc::ptr_eq(&counts, &ledger.of("app", "1")));
    }

    #[test]
    fn the_ledger_of_an_older_edge_is_read() {
        let old = r#"{"answered":1,"errors":0,"failed":0,"held":0,"retried":0,"latency":[1]}"#;
        assert_eq!(serde_json::from_str::<Snapshot>(old).expect("a snapshot").answered, 1);
    }

    #[test]
    fn of_what_has_gone_the_newest_few_stay_and_what_is_there_always() {
        let balancer = Balancer::new(Services::new(), Hysteresis { rise: 1, fall: 1 });
        let add = Change::Add { service: "app".into(), name: "a".into(), port: 1, release: "0".into() };
        let services = balancer.apply(&[add]).expect("it is added");
        let ledger = Ledger::default();
        for release in 0..20 {
            let _ = ledger.of("app", &release.to_string());
            // Told apart by when they came, which a coarse clock may not see.
            std::thread::sleep(Duration::from_micros(50));
        }
        let _ = (ledger.of("app", ""), ledger.of("", ""));
        let now = Instant::now();
        ledger.forget(&services, now);
        assert_eq!(ledger.snapshot()["app"].len(), 21, "they have only just gone");
        ledger.forget(&services, now + KEPT_TIME);
        let left: Vec<String> = ledger.snapshot()["app"].keys().cloned().collect();
        assert_eq!(left, ["", "0", "12", "13", "14", "15", "16", "17", "18", "19"]);
        assert_eq!(ledger.snapshot()[""].len(), 1);
    }
}
