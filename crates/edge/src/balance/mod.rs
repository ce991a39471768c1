//! Who gets a request.
//!
//! A target is chosen and its request counted under one lock, and every change takes the write side of it: after a
//! change there is no request that was given to a target by the old order and is not counted yet. So a drain that waits
//! for the count has seen every request.

mod change;
mod claim;
mod health;
mod service;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

pub use change::{Change, Refusal};
pub use claim::{Claim, Target};
pub use health::{Finding, Health, Hysteresis, Phase};
pub use service::{Member, Service};

/// The services by name.
pub type Services = BTreeMap<String, Service>;

/// All services, and who waits for them.
#[derive(Debug)]
pub struct Balancer {
    services: RwLock<Services>,
    hysteresis: Hysteresis,
    /// Counts the changes: what is held looks again at each.
    changed: watch::Sender<u64>,
}

/// What a request gets.
#[derive(Debug)]
pub enum Choice {
    /// This target, where the request counts as in flight until the claim is dropped.
    Claimed(Claim),
    /// Nothing now. The next change may bring something, also a service that is not known yet.
    Wait,
    /// An answer that the service is closed.
    Maintenance,
}

impl Balancer {
    /// A balancer with these services.
    #[must_use]
    pub fn new(services: Services, hysteresis: Hysteresis) -> Self {
        Self { services: RwLock::new(services), hysteresis, changed: watch::Sender::new(0) }
    }

    /// Chooses a target that is none of `tried` and counts the request there.
    pub fn claim(&self, service: &str, tried: &[Arc<Target>], random: impl FnMut(usize) -> usize) -> Choice {
        self.choose(service, tried, false, random)
    }

    /// The same for an operator, for whom no service is closed.
    pub fn claim_in_maintenance(
        &self,
        service: &str,
        tried: &[Arc<Target>],
        random: impl FnMut(usize) -> usize,
    ) -> Choice {
        self.choose(service, tried, true, random)
    }

    fn choose(&self, service: &str, tried: &[Arc<Target>], passes: bool, random: impl FnMut(usize) -> usize) -> Choice {
        let services = self.services.read().unwrap_or_else(PoisonError::into_inner);
        let found = services.get(service);
        if found.is_some_and(|found| found.maintenance && !passes) {
            return Choice::Maintenance;
        }
        match found.and_then(|found| found.choose(tried, random)) {
            // Counted before the lock is given back: that is the whole trick.
            Some(target) => Choice::Claimed(Claim::new(Arc::clone(target))),
            None => Choice::Wait,
        }
    }

    /// Tells of every change from now on. To be asked for before `claim`, so that none falls between.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Makes all changes in one moment, or none of them.
    ///
    /// # Errors
    ///
    /// The first change that cannot be made.
    pub fn apply(&self, changes: &[Change]) -> Result<Services, Refusal> {
        let mut services = self.services.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = services.clone();
        for change in changes {
            change.apply(&mut next)?;
        }
        services.clone_from(&next);
        drop(services);
        let members = next.values().flat_map(|service| &service.members);
        for member in members.filter(|member| member.health.phase() == Phase::Draining) {
            member.target.leaving().cancel();
        }
        self.tell();
        Ok(next)
    }

    /// Goes on by what another edge has left. A target that is known here stays what it is, with its requests.
    pub fn restore(&self, mut left: Services) {
        let mut services = self.services.write().unwrap_or_else(PoisonError::into_inner);
        for (name, service) in &mut left {
            let known = services.get(name).map(|known| known.members.as_slice()).unwrap_or_default();
            for member in &mut service.members {
                let same = |other: &&Member| other.target.is_same(&member.target);
                if let Some(known) = known.iter().filter(|other| other.health.phase() != Phase::Draining).find(same) {
                    *member = known.clone();
                }
            }
        }
        *services = left;
        drop(services);
        self.tell();
    }

    /// Takes in what a probe or a connection has shown of a target; the phase where it has changed.
    pub fn learn(&self, target: &Arc<Target>, finding: Finding) -> Option<Phase> {
        let mut services = self.services.write().unwrap_or_else(PoisonError::into_inner);
        let member = services.values_mut().find_map(|service| service.member_mut(target))?;
        let changed = member.health.learn(finding, self.hysteresis).then(|| member.health.phase());
        drop(services);
        if changed.is_some() {
            self.tell();
        }
        changed
    }

    /// The services as they are now.
    #[must_use]
    pub fn services(&self) -> Services {
        self.services.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn tell(&self) {
        self.changed.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
mod tests;
