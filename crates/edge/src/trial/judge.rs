//! Whether a release does worse than what ran before: pure.

use std::collections::BTreeMap;

use crate::ledger::{BUCKETS_MS, Snapshot};

/// So few failures may be chance.
const FEWEST_FAILURES: u64 = 3;

/// So few requests say nothing of latency.
const FEWEST_REQUESTS: u64 = 100;

/// What a release did since a trial began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that ended.
    pub requests: u64,
    /// Of those, the ones that failed, or were answered with a status of 500 or more.
    pub bad: u64,
    /// Requests by latency, as the ledger has them.
    pub latency: Vec<u64>,
}

type Ledger = BTreeMap<String, BTreeMap<String, Snapshot>>;

impl Counts {
    /// What a release did between two moments.
    #[must_use]
    pub fn between(from: &Ledger, to: &Ledger, service: &str, release: &str) -> Self {
        let of = |ledger: &Ledger| ledger.get(service).and_then(|releases| releases.get(release)).cloned();
        let (from, to) = (of(from).unwrap_or_default(), of(to).unwrap_or_default());
        let was = |index: usize| from.latency.get(index).copied().unwrap_or(0);
        Self {
            requests: (to.answered + to.failed).saturating_sub(from.answered + from.failed),
            bad: (to.errors + to.failed).saturating_sub(from.errors + from.failed),
            latency: to.latency.iter().enumerate().map(|(index, n)| n.saturating_sub(was(index))).collect(),
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let (longer, shorter) = if self.latency.len() >= other.latency.len() {
            (self.latency, other.latency)
        } else {
            (other.latency, self.latency)
        };
        let add = |(index, n): (usize, &u64)| n + shorter.get(index).copied().unwrap_or(0);
        Self {
            requests: self.requests + other.requests,
            bad: self.bad + other.bad,
            latency: longer.iter().enumerate().map(add).collect(),
        }
    }

    /// The bucket that 95 of a hundred requests are in or below.
    fn p95(&self) -> Option<usize> {
        let all: u64 = self.latency.iter().sum();
        let mut seen = 0;
        self.latency.iter().position(|n| {
            seen += n;
            all > 0 && seen * 100 >= all * 95
        })
    }
}

/// Why the new release does worse than the old; none where it does not, as far as is known.
#[must_use]
pub fn judge(new: &Counts, old: &Counts, tolerated_permille: u64) -> Option<String> {
    // new.bad / new.requests > 2 * old.bad / old.requests + tolerated, without fractions.
    let old_requests = u128::from(old.requests.max(1));
    let limit = 2 * u128::from(old.bad) * 1000 + u128::from(tolerated_permille) * old_requests;
    if new.bad >= FEWEST_FAILURES && u128::from(new.bad) * 1000 * old_requests > limit * u128::from(new.requests) {
        return Some(format!(
            "{} of its {} requests failed; before it {} of {}",
            new.bad, new.requests, old.bad, old.requests
        ));
    }
    if new.requests < FEWEST_REQUESTS || old.requests < FEWEST_REQUESTS {
        return None;
    }
    let (now, before) = (new.p95()?, old.p95()?);
    // Two buckets are four to six times the time; below 100 ms nobody feels it.
    let felt = BUCKETS_MS.get(now).is_none_or(|bound| *bound > 100);
    (felt && now >= before + 2).then(|| format!("95 % are answered {}; before it {}", within(now), within(before)))
}

fn within(bucket: usize) -> String {
    BUCKETS_MS.get(bucket).map_or("after more than 10 s".to_owned(), |bound| format!("within {bound} ms"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(requests: u64, bad: u64) -> Counts {
        Counts { requests, bad, latency: Vec::new() }
    }

    #[test]
    fn one_request_in_three_is_worse_than_none() {
        let why = judge(&counts(9, 3), &counts(400, 0), 10);
        assert_eq!(why.as_deref(), Some("3 of its 9 requests failed; before it 0 of 400"));
    }

    #[test]
    fn two_failures_may_be_chance_and_what_failed_before_may_fail_still() {
        assert_eq!(judge(&counts(2, 2), &counts(400, 0), 10), None);
        assert_eq!(judge(&counts(100, 30), &counts(400, 120), 10), None);
        assert_eq!(judge(&counts(1000, 9), &counts(0, 0), 10), None, "within what is tolerated");
    }

    #[test]
    fn slower_by_two_buckets_is_worse_where_it_is_felt() {
        let slow = |bucket: usize| {
            let mut latency = vec![0; BUCKETS_MS.len() + 1];
            latency[bucket] = 200;
            Counts { requests: 200, bad: 0, latency }
        };
        assert_eq!(judge(&slow(4), &slow(1), 10), None, "25 ms are not felt");
        let why = judge(&slow(8), &slow(4), 10);
        assert_eq!(why.as_deref(), Some("95 % are answered within 500 ms; before it within 25 ms"));
        assert!(judge(&slow(12), &slow(4), 10).is_some());
        assert_eq!(judge(&slow(8), &slow(7), 10), None);
    }

    proptest! {
        #[test]
        fn as_good_as_before_is_never_worse(requests in 0_u64..1 << 40, bad in 0_u64..1 << 40, tolerated in 0_u64..1000) {
            let both = counts(requests.max(bad), bad);
            prop_assert_eq!(judge(&both, &both, tolerated), None);
        }

        #[test]
        fn more_failures_never_look_better(requests in 1_u64..10_000, bad in 0_u64..10_000, old in 0_u64..100) {
            let bad = bad.min(requests);
            let before = counts(1000, old);
            if judge(&counts(requests, bad), &before, 10).is_some() {
                prop_assert!(judge(&counts(requests.max(bad + 1), bad + 1), &before, 10).is_some() || bad == requests);
            }
        }
    }
}
