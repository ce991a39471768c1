//! Taking things away: `down`, and containers of services that are no longer asked for.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::Draft;
use super::{order, resources};
use crate::labels;
use crate::observed::{Observed, ObservedContainer, State};
use crate::plan::{Plan, Step, StepId};
use crate::stack::Stack;

type Labels = BTreeMap<String, String>;

/// What a person asked of `down`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DownOptions {
    /// Volumes too, and the data on them.
    pub volumes: bool,
}

/// The plan that takes a project away: dependents before what they depend on.
#[must_use]
pub fn plan_down(stack: &Stack, observed: &Observed, options: DownOptions) -> Plan {
    let mut draft = Draft::new(&stack.project);
    let gone = remove_containers(&mut draft, stack, observed);
    let ours = |labels: &Labels| resources::is_ours(labels, &stack.project);
    for (name, _) in observed.networks.iter().filter(|(_, network)| ours(&network.labels)) {
        draft.add(Step::RemoveNetwork { name: name.clone() }, "nothing is on it any more", &gone);
    }
    if options.volumes {
        for (path, volume) in observed.containers.iter().flat_map(|container| &container.anonymous) {
            draft.add(Step::RemoveVolume { name: volume.clone() }, format!("`--volumes`; it was at {path}"), &gone);
        }
        let is_store = |labels: &Labels| labels.get(labels::ROLE).is_some_and(|role| role == labels::ROLE_STORE);
        for (name, volume) in observed.volumes.iter().filter(|(_, volume)| ours(&volume.labels)) {
            if is_store(&volume.labels) {
                draft.add(Step::RemoveStore, "`--volumes`; generated secrets are on it", &gone);
            } else {
                draft.add(Step::RemoveVolume { name: name.clone() }, "`--volumes`", &gone);
            }
        }
    }
    draft.finish()
}

fn remove_containers(draft: &mut Draft, stack: &Stack, observed: &Observed) -> Vec<StepId> {
    // A circle was refused when it was brought up; in doubt the order of the file will do.
    let sequence = order::by_dependency(stack).unwrap_or_else(|_| stack.services.keys().map(String::as_str).collect());
    let known: BTreeSet<&str> = sequence.iter().copied().collect();
    let others: BTreeSet<&str> =
        observed.containers.iter().map(|c| c.service.as_str()).filter(|name| !known.contains(name)).collect();
    let mut all: Vec<StepId> = Vec::new();
    let mut before: Vec<StepId> = Vec::new();
    for service in others.into_iter().chain(sequence.into_iter().rev()) {
        let mine = observed.containers.iter().filter(|container| container.service == service);
        let removed: Vec<StepId> = mine.map(|container| remove_after(draft, container, &before)).collect();
        let has_dependencies = stack.services.get(service).is_some_and(|service| !service.depends_on.is_empty());
        if has_dependencies && !removed.is_empty() {
            before.clone_from(&removed);
        }
        all.extend(removed);
    }
    all
}

fn is_running(container: &ObservedContainer) -> bool {
    matches!(container.state, State::Running | State::Restarting | State::Paused)
}

fn remove_after(draft: &mut Draft, container: &ObservedContainer, before: &[StepId]) -> StepId {
    let name = container.name.clone();
    let mut after = before.to_vec();
    if is_running(container) {
        draft.interrupts(&container.service);
        after = vec![draft.add(Step::StopContainer { name: name.clone(), grace_ms: None }, "", before)];
    }
    draft.add(Step::RemoveContainer { name }, "", &after)
}

/// Containers of services that the file no longer has.
pub(super) fn plan_orphans(draft: &mut Draft, stack: &Stack, observed: &Observed, remove: bool) {
    let orphans = observed.containers.iter().filter(|container| {
        !stack.services.contains_key(&container.service) && !stack.inactive.contains(&container.service)
    });
    for orphan in orphans {
        if remove {
            if is_running(orphan) {
                draft.interrupts(&orphan.service);
            }
            resources::remove(draft, orphan, "the file has no such service");
        } else {
            draft.warn(format!(
                "container `{}` belongs to service `{}`, which the file does not have; `up --remove-orphans` removes it",
                orphan.name, orphan.service
            ));
        }
    }
}
