//! A request waits while no target can have it.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use super::exchange::{Exchange, milliseconds};
use super::own::Own;
use super::{Core, Shared};
use crate::balance::{Choice, Claim, Target};
use crate::client::{Net, any_contains};

/// With all targets tried and none of them there, how long until they are tried again, if nothing changes before.
const PAUSE: Duration = Duration::from_millis(100);

/// Since when a request waits, and its place among those that do.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    since: Cell<Option<Instant>>,
}

/// One that waits; gives its place back also when the client leaves.
struct Held<'a>(&'a AtomicUsize);

impl<'a> Held<'a> {
    fn enter(held: &'a AtomicUsize, most: usize) -> Option<Self> {
        let before = held.fetch_add(1, Ordering::AcqRel);
        let held = Self(held);
        (before < most).then_some(held)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A claim to a target, waited for where there is none. What was tried is not tried again before a pause.
pub(super) async fn wait_for_claim(
    core: &Core,
    service: &str,
    tried: &mut Vec<Arc<Target>>,
    waiting: &Waiting,
    exchange: &mut Exchange,
) -> Result<Claim, Own> {
    let Shared { balancer, settings, held, .. } = &*core.shared;
    let passes = passes_maintenance(&settings.answers.maintenance_allow, &exchange.line().client);
    let claim = |tried: &[Arc<Target>]| {
        let random = |bound| fastrand::usize(..bound);
        if passes {
            balancer.claim_in_maintenance(service, tried, random)
        } else {
            balancer.claim(service, tried, random)
        }
    };
    match claim(tried) {
        Choice::Claimed(claim) => return Ok(claim),
        Choice::Maintenance => return Err(Own::Maintenance),
        Choice::Wait => {}
    }
    let _held = Held::enter(held, settings.held).ok_or(Own::TooManyHeld)?;
    let since = waiting.since.get().unwrap_or_else(Instant::now);
    waiting.since.set(Some(since));
    let mut changes = balancer.changes();
    let mut first = true;
    loop {
        // After a pause, what was not there may be there again. Before the first one it was tried just now.
        match claim(if first { tried } else { &[] }) {
            Choice::Claimed(claim) => {
                tried.clear();
                exchange.line().held_ms = milliseconds(since.elapsed()).max(0.1);
                return Ok(claim);
            }
            Choice::Maintenance => {
                exchange.line().held_ms = milliseconds(since.elapsed()).max(0.1);
                return Err(Own::Maintenance);
            }
            Choice::Wait => {}
        }
        let end = since + settings.held_time;
        if Instant::now() >= end {
            exchange.line().held_ms = milliseconds(since.elapsed());
            return Err(Own::NoTarget);
        }
        let look_again = end.min(Instant::now() + PAUSE);
        tokio::select! {
            _ = changes.changed() => {}
            () = sleep_until(look_again.into()) => first = false,
        }
    }
}

/// Whether no service is closed to this client. Who works at it is named by few, mostly by nobody.
fn passes_maintenance(allowed: &[Net], client: &str) -> bool {
    !allowed.is_empty() && client.parse().is_ok_and(|client| any_contains(allowed, client))
}
