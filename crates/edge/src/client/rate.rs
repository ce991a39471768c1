//! How many requests in a time: the generic cell rate algorithm, which is a bucket of tokens kept as one number.

use std::time::Duration;

/// So many requests at once, and then one each interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    interval_ns: u64,
    burst: u32,
}

impl Rate {
    /// So many requests in a second, and at least one at once.
    #[must_use]
    pub fn new(per_second: f64, burst: u32) -> Self {
        Self { interval_ns: (1e9 / per_second).clamp(1.0, 1e18) as u64, burst: burst.max(1) }
    }

    /// Whether a request may come now, after earlier ones that have left `due`: the moment from which there is nothing
    /// to make up for. The next `due`, or how long to wait.
    ///
    /// # Errors
    ///
    /// It came too early.
    pub fn allow(self, due_ns: u64, now_ns: u64) -> Result<u64, Duration> {
        let next = due_ns.max(now_ns).saturating_add(self.interval_ns);
        let furthest = now_ns.saturating_add(self.interval_ns.saturating_mul(u64::from(self.burst)));
        match next.checked_sub(furthest) {
            None | Some(0) => Ok(next),
            Some(early) => Err(Duration::from_nanos(early)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_burst_and_then_one_each_interval() {
        let rate = Rate::new(10.0, 3);
        let (mut due, now) = (0, 5_000_000_000);
        for _ in 0..3 {
            due = rate.allow(due, now).expect("it is within the burst");
        }
        assert_eq!(rate.allow(due, now), Err(Duration::from_millis(100)));
        assert!(rate.allow(due, now + 100_000_000).is_ok());
    }

    proptest! {
        /// In any stretch of time, no more than the burst and what has come due in it.
        #[test]
        fn never_more_than_it_says(per_second in 0.1..1_000.0_f64, burst in 1..50_u32,
                                   pauses in prop::collection::vec(0..200_000_000_u64, 1..300)) {
            let rate = Rate::new(per_second, burst);
            let (mut now, mut due, mut allowed) = (0, 0, Vec::new());
            for pause in pauses {
                now += pause;
                if let Ok(next) = rate.allow(due, now) {
                    due = next;
                    allowed.push(now);
                }
            }
            for (first, from) in allowed.iter().enumerate() {
                for (last, to) in allowed.iter().enumerate().skip(first) {
                    let most = u64::from(burst) + (to - from) / rate.interval_ns;
                    let came = (last - first) as u64 + 1;
                    prop_assert!(came <= most, "{came} of {most}");
                }
            }
        }

        /// Who waits as long as told gets in, and who does not, does not.
        #[test]
        fn the_time_to_wait_is_exact(
            per_second in 0.1..1_000.0_f64, burst in 1..50_u32, due in any::<u64>(), now in any::<u64>(),
        ) {
            let rate = Rate::new(per_second, burst);
            let (due, now) = (due >> 2, now >> 2);
            if let Err(wait) = rate.allow(due, now) {
                let wait = u64::try_from(wait.as_nanos()).expect("it is short enough");
                prop_assert!(rate.allow(due, now + wait).is_ok());
                prop_assert!(rate.allow(due, now + wait - 1).is_err());
            }
        }

        /// Who asks no more often than the rate is never refused.
        #[test]
        fn the_rate_itself_is_allowed(per_second in 0.1..1_000.0_f64, burst in 1..50_u32) {
            let rate = Rate::new(per_second, burst);
            let mut due = 0;
            for turn in 0..100 {
                due = rate.allow(due, turn * rate.interval_ns).expect("it is allowed");
            }
        }

        #[test]
        fn nothing_makes_it_fail(
            per_second in any::<f64>(), burst in any::<u32>(), due in any::<u64>(), now in any::<u64>(),
        ) {
            let _ = Rate::new(per_second, burst).allow(due, now);
        }
    }
}
