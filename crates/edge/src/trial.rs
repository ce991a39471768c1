//! A new release on trial: a growing part of the requests, judged against what ran before by the ledger's counts.
//!
//! `judge` is pure. The trial itself lives in the edge, so that a bad release is taken back at once, also when whoever
//! began it is gone.

mod judge;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use clap::Args;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use crate::balance::{Change, Phase, Refusal};
use crate::server::Shared;
pub use judge::{Counts, judge};

/// The part of the requests in each quarter of the window, in percent. The first is small: a release that fails one
/// request in three is found out there, before it has failed one in a hundred of all.
const STAGES: [u32; 4] = [2, 10, 40, 100];

/// What is so after a trial that did not go well.
const BACK: &str = "\n\nhint: what ran before has its requests again; mend the new release";

/// Between two looks at the counts.
const LOOK: Duration = Duration::from_millis(100);

/// How a trial is conducted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct Conduct {
    /// How long the release is watched, in milliseconds; 0 gives it all requests at once.
    #[arg(long, default_value_t = 10_000)]
    pub window_ms: u64,
    /// Failed requests that are accepted beyond twice the rate of what ran before, in one of a thousand.
    #[arg(long, default_value_t = 10)]
    pub tolerated_permille: u64,
    /// How long the result may wait to be made to last, in milliseconds.
    #[arg(long, default_value_t = 30_000)]
    pub confirm_ms: u64,
}

/// The services on trial. Dropped before it is left to be confirmed, all is as before.
#[derive(Debug)]
struct Guard<'a> {
    shared: &'a Shared,
    services: Vec<String>,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        back(self.shared, &self.services);
    }
}

/// Takes what is still on trial back.
pub(crate) fn back(shared: &Shared, services: &[String]) {
    for service in services {
        // A service that is gone needs no way back.
        let _ = shared.balancer.apply(&[Change::Back { service: service.clone() }]);
    }
}

/// Conducts the trial. It ends with all requests at the new releases, still to be confirmed.
///
/// # Errors
///
/// Which release did worse, and how; everything is as before then.
pub(crate) async fn conduct(
    shared: &Shared,
    releases: &BTreeMap<String, String>,
    conduct: Conduct,
) -> Result<(), String> {
    let before = old_shares(shared, releases)?;
    let mut guard = Guard { shared, services: releases.keys().cloned().collect() };
    let counts_before = shared.ledger.snapshot();
    let ready_before: Vec<usize> = releases.iter().map(|(service, release)| ready(shared, service, release)).collect();
    let begun = Instant::now();
    let window = Duration::from_millis(conduct.window_ms);
    let mut stage = None;
    loop {
        let now = stage_at(begun.elapsed(), window);
        if stage != Some(now) {
            let changes: Vec<Change> = releases
                .iter()
                .map(|(service, release)| mix(service, release, &before[service], STAGES[now]))
                .collect();
            let _ = shared.balancer.apply(&changes).map_err(|refusal: Refusal| refusal.to_string())?;
            stage = Some(now);
        }
        if begun.elapsed() >= window {
            break;
        }
        sleep(LOOK.min(window.saturating_sub(begun.elapsed()))).await;
        let counts = shared.ledger.snapshot();
        for ((service, release), ready_before) in releases.iter().zip(&ready_before) {
            if ready(shared, service, release) < *ready_before {
                return Err(format!("release `{release}` of service `{service}` lost a target that was ready{BACK}"));
            }
            let since = |of: &str| Counts::between(&counts_before, &counts, service, of);
            let old = before[service].keys().map(|old| since(old)).fold(Counts::default(), Counts::plus);
            if let Some(why) = judge(&since(release), &old, conduct.tolerated_permille) {
                return Err(format!("release `{release}` of service `{service}` does worse: {why}{BACK}"));
            }
        }
    }
    guard.services.clear();
    Ok(())
}

/// What each service's requests go to now.
fn old_shares(
    shared: &Shared,
    releases: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, BTreeMap<String, u32>>, String> {
    let services = shared.balancer.services();
    let shares = |service: &String| match services.get(service) {
        Some(found) if found.before_trial.is_some() => {
            Err(format!("service `{service}` has a trial already\n\nhint: `edge back {service}` ends it"))
        }
        Some(found) => Ok((service.clone(), found.shares.clone())),
        None => Err(Refusal::NoService(service.clone()).to_string()),
    };
    releases.keys().map(shares).collect()
}

fn ready(shared: &Shared, service: &str, release: &str) -> usize {
    let services = shared.balancer.services();
    let members = services.get(service).map(|found| found.members.as_slice()).unwrap_or_default();
    let is_ready =
        |member: &&crate::balance::Member| member.target.release == release && member.health.phase() == Phase::Healthy;
    members.iter().filter(is_ready).count()
}

fn stage_at(elapsed: Duration, window: Duration) -> usize {
    if window.is_zero() {
        return STAGES.len() - 1;
    }
    let quarter = elapsed.as_micros() * STAGES.len() as u128 / window.as_micros();
    usize::try_from(quarter).unwrap_or(usize::MAX).min(STAGES.len() - 1)
}

/// So many of a hundred requests for the new release, and the rest as before.
fn mix(service: &str, release: &str, before: &BTreeMap<String, u32>, percent: u32) -> Change {
    let mut shares: BTreeMap<String, u32> =
        before.iter().map(|(old, share)| (old.clone(), share.saturating_mul(100 - percent))).collect();
    let all: u32 = before.values().fold(0, |sum, share| sum.saturating_add(*share));
    let _ = shares.insert(release.to_owned(), all.max(1).saturating_mul(percent));
    Change::Try { service: service.to_owned(), shares }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_part_grows_with_the_time_and_ends_at_all() {
        let window = Duration::from_secs(8);
        let stages: Vec<usize> = (0..10).map(|second| stage_at(Duration::from_secs(second), window)).collect();
        assert_eq!(stages, [0, 0, 1, 1, 2, 2, 3, 3, 3, 3]);
        assert_eq!(stage_at(Duration::ZERO, Duration::ZERO), 3);
        assert_eq!(STAGES.last(), Some(&100));
    }

    #[test]
    fn what_ran_before_keeps_its_proportions() {
        let before = BTreeMap::from([("r1".to_owned(), 1), ("r2".to_owned(), 3)]);
        let Change::Try { shares, .. } = mix("app", "r3", &before, 10) else { panic!("a trial") };
        assert_eq!(shares, BTreeMap::from([("r1".into(), 90), ("r2".into(), 270), ("r3".into(), 40)]));
        let Change::Try { shares, .. } = mix("app", "r3", &before, 100) else { panic!("a trial") };
        assert_eq!(shares.get("r1"), Some(&0));
    }
}
