//! What an operator, or a deploy, may change.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::Services;
use super::claim::Target;
use super::health::{Health, Phase};
use super::service::{Member, Service};

/// One change. Several are made in one moment, or none of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase", deny_unknown_fields)]
pub enum Change {
    /// A target more, probed from now on. It gets requests once its release does. One that is there already stays.
    Add {
        /// The service; made where there is none of that name.
        service: String,
        /// The target's name on the network.
        name: String,
        /// Where it listens.
        port: u16,
        /// The release that it is of.
        release: String,
    },
    /// From now on these releases get the requests, in this proportion, and no others.
    Route {
        /// The service.
        service: String,
        /// The releases, and each one's share; at least one share is above 0.
        shares: BTreeMap<String, u32>,
        /// Also to a release of which no target is ready.
        #[serde(default)]
        force: bool,
    },
    /// For a while these releases get the requests, in this proportion, and no others; until `Route` makes it so for
    /// good, or `Back` makes it as it was before the trial. A restart of the edge ends a trial as `Back` does.
    Try {
        /// The service.
        service: String,
        /// The releases, and each one's share.
        shares: BTreeMap<String, u32>,
    },
    /// Ends a trial: the releases from before it get the requests again. Nothing where there is no trial.
    Back {
        /// The service.
        service: String,
    },
    /// No new requests for any target but these, for good.
    Keep {
        /// The service.
        service: String,
        /// The targets that stay.
        names: Vec<String>,
    },
    /// No new requests for this target, for good.
    Drain {
        /// The service.
        service: String,
        /// The target.
        name: String,
    },
    /// Forgets a target that drains.
    Remove {
        /// The service.
        service: String,
        /// The target.
        name: String,
    },
    /// Requests wait, until released.
    Hold {
        /// The service.
        service: String,
    },
    /// Requests no longer wait.
    Release {
        /// The service.
        service: String,
    },
    /// Requests are answered that the service is closed, or no longer.
    Maintenance {
        /// The service.
        service: String,
        /// Whether it is closed.
        on: bool,
    },
}

/// Why a change is not made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// No such service.
    #[error("there is no service `{0}`\n\nhint: `edge targets` lists them")]
    NoService(String),
    /// No such target.
    #[error("service `{service}` has no target `{name}`\n\nhint: `edge targets` lists them")]
    NoTarget {
        /// The service.
        service: String,
        /// What was named.
        name: String,
    },
    /// The name is taken by a target of another release that does not drain.
    #[error("service `{service}` has another target `{name}` already\n\nhint: drain it first")]
    Taken {
        /// The service.
        service: String,
        /// The target.
        name: String,
    },
    /// All shares are 0.
    #[error("no release of service `{0}` would get requests\n\nhint: `edge hold` makes them wait")]
    NoShares(String),
    /// A release would get requests that can answer none.
    #[error(
        "release `{release}` of service `{service}` has no target that is ready\n\nhint: `edge targets` says how each stands; --force routes all the same"
    )]
    NotReady {
        /// The service.
        service: String,
        /// The release.
        release: String,
    },
    /// A target that may still have requests would be forgotten.
    #[error("target `{name}` of service `{service}` does not drain\n\nhint: edge drain {service} {name}")]
    NotDraining {
        /// The service.
        service: String,
        /// The target.
        name: String,
    },
}

impl Change {
    /// Makes the change.
    ///
    /// # Errors
    ///
    /// Why not; nothing is changed then.
    pub(super) fn apply(&self, services: &mut Services) -> Result<(), Refusal> {
        match self {
            Self::Add { service, name, port, release } => add(services, service, Target::new(name, *port, release)),
            Self::Route { service, shares, force } => {
                route(services, service, shares, *force)?;
                find(services, service)?.before_trial = None;
                Ok(())
            }
            Self::Try { service, shares } => {
                let before = find(services, service)?.shares.clone();
                route(services, service, shares, false)?;
                let _ = find(services, service)?.before_trial.get_or_insert(before);
                Ok(())
            }
            Self::Back { service } => {
                let found = find(services, service)?;
                if let Some(before) = found.before_trial.take() {
                    found.shares = before;
                }
                Ok(())
            }
            Self::Keep { service, names } => {
                let members = &mut find(services, service)?.members;
                members.iter_mut().filter(|member| !names.contains(&member.target.name)).for_each(|m| m.health.drain());
                Ok(())
            }
            Self::Drain { service, name } => {
                // The newest of the name: an older one drains already.
                member(services, service, name)?.health.drain();
                Ok(())
            }
            Self::Remove { service, name } => remove(services, service, name),
            Self::Hold { service } => {
                find(services, service)?.held = true;
                Ok(())
            }
            Self::Release { service } => {
                find(services, service)?.held = false;
                Ok(())
            }
            Self::Maintenance { service, on } => {
                find(services, service)?.maintenance = *on;
                Ok(())
            }
        }
    }
}

fn add(services: &mut Services, service: &str, target: std::sync::Arc<Target>) -> Result<(), Refusal> {
    let named = |member: &&Member| member.target.name == target.name && member.health.phase() != Phase::Draining;
    let members = &mut services.entry(service.to_owned()).or_default().members;
    match members.iter().find(named) {
        Some(there) if (there.target.port, &there.target.release) == (target.port, &target.release) => {}
        Some(_) => return Err(Refusal::Taken { service: service.to_owned(), name: target.name.clone() }),
        None => members.push(Member { target, health: Health::adding() }),
    }
    Ok(())
}

fn route(services: &mut Services, service: &str, shares: &BTreeMap<String, u32>, force: bool) -> Result<(), Refusal> {
    let found = find(services, service)?;
    let shares: BTreeMap<_, _> = shares.iter().filter(|(_, share)| **share > 0).map(|(r, s)| (r.clone(), *s)).collect();
    if shares.is_empty() {
        return Err(Refusal::NoShares(service.to_owned()));
    }
    if let Some(release) = shares.keys().find(|release| !force && !found.is_ready(release)) {
        return Err(Refusal::NotReady { service: service.to_owned(), release: release.clone() });
    }
    found.shares = shares;
    Ok(())
}

fn remove(services: &mut Services, service: &str, name: &str) -> Result<(), Refusal> {
    if member(services, service, name)?.health.phase() != Phase::Draining {
        return Err(Refusal::NotDraining { service: service.to_owned(), name: name.to_owned() });
    }
    find(services, service)?.members.retain(|member| member.target.name != name);
    Ok(())
}

fn find<'a>(services: &'a mut Services, service: &str) -> Result<&'a mut Service, Refusal> {
    services.get_mut(service).ok_or_else(|| Refusal::NoService(service.to_owned()))
}

fn member<'a>(services: &'a mut Services, service: &str, name: &str) -> Result<&'a mut Member, Refusal> {
    let none = || Refusal::NoTarget { service: service.to_owned(), name: name.to_owned() };
    find(services, service)?.members.iter_mut().rev().find(|member| member.target.name == name).ok_or_else(none)
}
