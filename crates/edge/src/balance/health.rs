//! How a target stands, by its probes: a pure state machine.

use clap::Args;
use serde::{Deserialize, Serialize};

/// Where a target is on its way: adding → healthy ⇄ unhealthy → draining.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Probed, never yet ready.
    Adding,
    /// Ready when it was last asked.
    Healthy,
    /// Was ready once, and is not now.
    Unhealthy,
    /// On its way out: ends what it has, and gets nothing new. There is no way back from here.
    Draining,
}

/// How many probes in a row change the verdict, so that one lost packet does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Args)]
pub struct Hysteresis {
    /// Successes that bring an unhealthy target back.
    #[arg(long = "probe-rise", env = "EDGE_PROBE_RISE", default_value = "2", value_parser = clap::value_parser!(u32).range(1..))]
    pub rise: u32,
    /// Failures that take a healthy target out.
    #[arg(long = "probe-fall", env = "EDGE_PROBE_FALL", default_value = "3", value_parser = clap::value_parser!(u32).range(1..))]
    pub fall: u32,
}

/// What was learned about a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// A probe was answered as it should be.
    Ready,
    /// A probe was answered otherwise, or in no time.
    NotReady,
    /// A connection was refused: nothing listens there, and no second look is needed.
    Refused,
}

/// The phase, and the probes in a row that speak against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    phase: Phase,
    against: u32,
}

impl Health {
    /// Of a target that was just added.
    #[must_use]
    pub fn adding() -> Self {
        Self { phase: Phase::Adding, against: 0 }
    }

    /// The phase now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Takes a finding in; true when the phase is another one after it.
    pub fn learn(&mut self, finding: Finding, hysteresis: Hysteresis) -> bool {
        let before = self.phase;
        let (next, needed) = match (before, finding) {
            // Whoever waits for a new replica waits for its first success and no longer.
            (Phase::Adding, Finding::Ready) => (Phase::Healthy, 1),
            (Phase::Unhealthy, Finding::Ready) => (Phase::Healthy, hysteresis.rise),
            (Phase::Healthy, Finding::NotReady) => (Phase::Unhealthy, hysteresis.fall),
            (Phase::Healthy, Finding::Refused) => (Phase::Unhealthy, 1),
            _ => {
                self.against = 0;
                return false;
            }
        };
        self.against += 1;
        if self.against >= needed {
            *self = Self { phase: next, against: 0 };
        }
        self.phase != before
    }

    /// Takes the target out for good.
    pub fn drain(&mut self) {
        *self = Self { phase: Phase::Draining, against: 0 };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TWO_AND_THREE: Hysteresis = Hysteresis { rise: 2, fall: 3 };

    fn phases(findings: &[Finding]) -> Vec<Phase> {
        let mut health = Health::adding();
        let learned = findings.iter().map(|finding| {
            let _ = health.learn(*finding, TWO_AND_THREE);
            health.phase()
        });
        learned.collect()
    }

    #[test]
    fn the_first_success_is_enough_for_a_new_target() {
        use Finding::{NotReady, Ready, Refused};
        assert_eq!(phases(&[Refused, NotReady, Ready]), [Phase::Adding, Phase::Adding, Phase::Healthy]);
    }

    #[test]
    fn one_success_between_failures_starts_the_count_again() {
        use Finding::{NotReady, Ready};
        let seen = phases(&[Ready, NotReady, NotReady, Ready, NotReady, NotReady, NotReady]);
        assert_eq!(seen.last(), Some(&Phase::Unhealthy));
        assert!(seen[..6].iter().all(|phase| *phase == Phase::Healthy));
    }

    #[test]
    fn a_refused_connection_needs_no_second() {
        assert_eq!(phases(&[Finding::Ready, Finding::Refused]), [Phase::Healthy, Phase::Unhealthy]);
    }

    fn finding() -> impl Strategy<Value = Finding> {
        prop_oneof![Just(Finding::Ready), Just(Finding::NotReady), Just(Finding::Refused)]
    }

    proptest! {
        #[test]
        fn what_drains_never_comes_back(before in prop::collection::vec(finding(), 0..9),
                                        after in prop::collection::vec(finding(), 0..9)) {
            let mut health = Health::adding();
            for finding in before { let _ = health.learn(finding, TWO_AND_THREE); }
            health.drain();
            for finding in after { prop_assert!(!health.learn(finding, TWO_AND_THREE)); }
            prop_assert_eq!(health.phase(), Phase::Draining);
        }

        #[test]
        fn enough_successes_always_make_it_healthy(before in prop::collection::vec(finding(), 0..9)) {
            let mut health = Health::adding();
            for finding in before { let _ = health.learn(finding, TWO_AND_THREE); }
            for _ in 0..2 { let _ = health.learn(Finding::Ready, TWO_AND_THREE); }
            prop_assert_eq!(health.phase(), Phase::Healthy);
        }
    }
}
