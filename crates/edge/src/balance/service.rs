//! One service: its targets, and which of its releases get how much.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::claim::Target;
use super::health::{Health, Phase};

/// A target as its service sees it.
#[derive(Debug, Clone)]
pub struct Member {
    /// The target.
    pub target: Arc<Target>,
    /// How it stands.
    pub health: Health,
}

/// One service.
#[derive(Debug, Clone, Default)]
pub struct Service {
    /// Its targets, of all releases.
    pub members: Vec<Member>,
    /// Which releases get requests, and in which proportion. One that is not named here is probed and gets none, which
    /// is how a new release gets ready, and how an old one stays at hand.
    pub shares: BTreeMap<String, u32>,
    /// The shares from before a trial, while one lasts.
    pub before_trial: Option<BTreeMap<String, u32>>,
    /// Whether requests wait, whatever the targets could do.
    pub held: bool,
    /// Whether requests are answered that the service is closed, whatever the targets could do.
    pub maintenance: bool,
}

impl Service {
    /// The target for a request: of the release that its turn falls to, the less loaded of two at random. Another
    /// release serves where that one cannot.
    pub(super) fn choose(&self, tried: &[Arc<Target>], mut random: impl FnMut(usize) -> usize) -> Option<&Arc<Target>> {
        if self.held {
            return None;
        }
        let usable = |member: &&Member| {
            self.shares.get(&member.target.release).is_some_and(|share| *share > 0)
                && !tried.iter().any(|other| Arc::ptr_eq(other, &member.target))
        };
        let healthy: Vec<&Member> =
            self.members.iter().filter(usable).filter(|member| member.health.phase() == Phase::Healthy).collect();
        let drawn = self.draw(&healthy, &mut random);
        let candidates: Vec<&Member> = match drawn {
            Some(release) => healthy.into_iter().filter(|member| member.target.release == release).collect(),
            // All look dead at once: more likely the probes are wrong than all of them, so they are tried.
            None if self.all_look_dead() => {
                self.members.iter().filter(usable).filter(|member| member.health.phase() == Phase::Unhealthy).collect()
            }
            None => return None,
        };
        less_loaded(&candidates, random)
    }

    /// The release whose turn it is, among those that have a target here.
    fn draw<'a>(&'a self, members: &[&'a Member], mut random: impl FnMut(usize) -> usize) -> Option<&'a str> {
        let mut shares = BTreeMap::new();
        for member in members {
            let release = member.target.release.as_str();
            shares.insert(release, self.shares.get(release).copied().unwrap_or(0) as usize);
        }
        let total: usize = shares.values().sum();
        let mut turn = if total > 1 { random(total) } else { 0 };
        for (release, share) in shares {
            if turn < share {
                return Some(release);
            }
            turn -= share;
        }
        None
    }

    /// Whether there were ready targets once, and no one of them is now.
    fn all_look_dead(&self) -> bool {
        let routed = |member: &&Member| self.shares.contains_key(&member.target.release);
        !self.members.iter().filter(routed).any(|member| member.health.phase() == Phase::Healthy)
    }

    /// Whether a release has a target that is ready.
    #[must_use]
    pub fn is_ready(&self, release: &str) -> bool {
        let mut members = self.members.iter();
        members.any(|member| member.target.release == release && member.health.phase() == Phase::Healthy)
    }

    /// Whether a target that requests may go to has not answered a probe yet.
    #[must_use]
    pub fn is_adding(&self) -> bool {
        let is_routed = |member: &&Member| self.shares.contains_key(&member.target.release);
        self.members.iter().filter(is_routed).any(|member| member.health.phase() == Phase::Adding)
    }

    pub(super) fn member_mut(&mut self, target: &Arc<Target>) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| Arc::ptr_eq(&member.target, target))
    }
}

/// The less loaded of two at random: nearly as even as asking all, and no herd runs to the one that is empty now.
fn less_loaded<'a>(members: &[&'a Member], mut random: impl FnMut(usize) -> usize) -> Option<&'a Arc<Target>> {
    let first = match members {
        [] => return None,
        [only] => return Some(&only.target),
        several => random(several.len()),
    };
    let second = (first + 1 + random(members.len() - 1)) % members.len();
    let (first, second) = (&members[first].target, &members[second].target);
    Some(if second.in_flight() < first.in_flight() { second } else { first })
}
