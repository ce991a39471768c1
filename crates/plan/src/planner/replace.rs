//! The steps that make, start, restart and swap one container.

use std::collections::BTreeMap;

use super::draft::{Draft, Milestones};
use super::replicas::{Gate, NEXT};
use crate::observed::{ObservedContainer, State};
use crate::plan::{Change, Step, StepId};
use crate::spec::ContainerSpec;
use crate::stack::{Healthcheck, Mount, Restart, Service, UpdateOrder};

/// A migration of a large table takes its time, and stopping to wait would leave it half done.
const COMPLETION_TIMEOUT_MS: u64 = 3_600_000;

/// One replica and what it is to become.
pub(super) struct Swap<'a> {
    pub(super) service: &'a Service,
    pub(super) spec: &'a ContainerSpec,
    pub(super) name: &'a str,
    pub(super) gate: &'a Gate,
    /// It is meant to end.
    pub(super) one_shot: bool,
    /// The release that a new one is of.
    pub(super) release: u32,
    /// It is an edge: the new one takes the listening sockets from the old one, and shares the volume with it.
    pub(super) hands_over: bool,
}

impl Service {
    /// The name of a replica's container.
    #[must_use]
    pub fn container_name(&self, project: &str, number: u32) -> String {
        self.container_name.clone().unwrap_or_else(|| format!("{project}-{}-{number}", self.name))
    }

    /// Why two of its containers cannot run at once; `None` where they can.
    #[must_use]
    pub fn holds_state(&self) -> Option<String> {
        let written = self.run.mounts.iter().find_map(|mount| match mount {
            Mount::Volume { source, target, read_only: false, .. } => {
                Some(format!("it writes to volume {}", source.as_deref().unwrap_or(target)))
            }
            Mount::Bind { source, read_only: false, .. } => Some(format!("it writes to {source}")),
            _ => None,
        });
        let port = self
            .run
            .ports
            .iter()
            .find_map(|port| port.published)
            .map(|port| format!("it holds port {port} of the host"));
        let address = self
            .run
            .networks
            .values()
            .find_map(|attachment| attachment.ipv4_address.as_ref())
            .map(|address| format!("it holds the address {address}"));
        let shared = self.run.network_mode.as_deref().filter(|mode| *mode == "host" || mode.starts_with("service:"));
        let shared =
            shared.map(|mode| format!("it shares a network with others (`network_mode: {mode}`), and its ports"));
        written.or(port).or(address).or(shared)
    }

    /// How long its container may take to become ready: the health check's own
    /// patience, and never less than a minute, since a first start may fill a volume.
    #[must_use]
    pub fn ready_timeout_ms(&self) -> u64 {
        // The engine's defaults: https://docs.docker.com/reference/dockerfile/#healthcheck
        let check = self.run.healthcheck.clone().unwrap_or_default();
        let Healthcheck { interval_ms, timeout_ms, retries, start_period_ms, .. } = check;
        let probe = interval_ms.unwrap_or(30_000).saturating_add(timeout_ms.unwrap_or(30_000));
        let patience =
            u64::from(retries.unwrap_or(3)).saturating_mul(probe).saturating_add(start_period_ms.unwrap_or(0));
        patience.max(60_000)
    }
}

impl Restart {
    /// The engine's name for the policy.
    #[must_use]
    pub fn engine_name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Always => "always",
            Self::UnlessStopped => "unless-stopped",
            Self::OnFailure { .. } => "on-failure",
        }
    }
}

/// The networks, volumes and files that its container stands on, where this plan makes them.
fn foundations(draft: &Draft, spec: &ContainerSpec) -> Vec<StepId> {
    let networks = spec.run.networks.keys().map(String::as_str);
    let volumes = spec.run.mounts.iter().filter_map(|mount| match mount {
        Mount::Volume { source, .. } => source.as_deref(),
        _ => None,
    });
    let files = spec.files.iter().map(|mount| mount.file.name.as_str());
    networks.chain(volumes).chain(files).filter_map(|what| draft.provider_of(what)).collect()
}

/// Whether the container shares a namespace of another one, which must then
/// have been made before it: the engine resolves the name when it creates.
fn creation_gate<'a>(swap: &Swap<'a>) -> &'a [StepId] {
    let modes = [&swap.service.run.network_mode, &swap.service.run.security.pid, &swap.service.run.security.ipc];
    let shares = modes.iter().any(|mode| mode.as_deref().is_some_and(|mode| mode.starts_with("service:")));
    if shares { &swap.gate.after } else { &[] }
}

pub(super) fn add_create(
    draft: &mut Draft,
    swap: &Swap<'_>,
    name: &str,
    old: Option<&ObservedContainer>,
    reason: &str,
    after: &[StepId],
) -> StepId {
    let mut after: Vec<StepId> = after.to_vec();
    after.extend(foundations(draft, swap.spec));
    after.extend(creation_gate(swap));
    let carry = old.map(|old| carried(old, swap.spec)).unwrap_or_default();
    let (spec, release) = (Box::new(swap.spec.clone()), swap.release);
    let step = Step::CreateContainer { name: name.to_owned(), spec, release, carry };
    draft.add(step, reason, &after)
}

/// Anonymous volumes go over to the new container, as with Docker Compose:
/// there may be a database on one.
fn carried(old: &ObservedContainer, spec: &ContainerSpec) -> BTreeMap<String, String> {
    let named = |path: &str| {
        spec.run.mounts.iter().any(|mount| match mount {
            Mount::Volume { source: Some(_), target, .. }
            | Mount::Bind { target, .. }
            | Mount::Tmpfs { target, .. } => target == path,
            Mount::Volume { .. } => false,
        })
    };
    let declared = |spec: &ContainerSpec, path: &str| {
        spec.run
            .mounts
            .iter()
            .any(|mount| matches!(mount, Mount::Volume { source: None, target, .. } if target == path))
    };
    // What the file had and has no more is gone; what the image declares stays.
    let taken_away = |path: &str| old.spec.as_ref().is_some_and(|from| declared(from, path)) && !declared(spec, path);
    old.anonymous
        .iter()
        .filter(|(path, _)| !named(path) && !taken_away(path))
        .map(|(path, volume)| (path.clone(), volume.clone()))
        .collect()
}

/// Makes and starts a container where there is none.
pub(super) fn create(
    draft: &mut Draft,
    swap: &Swap<'_>,
    torn_down: Option<&ObservedContainer>,
    reason: &str,
    after: &[StepId],
) -> Milestones {
    let created = add_create(draft, swap, swap.name, torn_down, reason, after);
    let milestones = start(draft, swap, "", &[created]);
    Milestones { replaced: true, ..milestones }
}

/// Starts a container that is there.
pub(super) fn start(draft: &mut Draft, swap: &Swap<'_>, reason: &str, after: &[StepId]) -> Milestones {
    let mut after = after.to_vec();
    after.extend(&swap.gate.after);
    let started = draft.add(Step::StartContainer { name: swap.name.to_owned() }, reason, &after);
    let ready = add_wait(draft, swap, swap.name, "", &[started]);
    Milestones { started: vec![started], ready: vec![ready], touched: true, replaced: false }
}

/// Waits for a container that runs.
pub(super) fn wait(draft: &mut Draft, swap: &Swap<'_>, reason: &str, after: &[StepId]) -> Milestones {
    let ready = add_wait(draft, swap, swap.name, reason, after);
    Milestones { ready: vec![ready], ..Milestones::default() }
}

pub(super) fn unpause(draft: &mut Draft, swap: &Swap<'_>) -> Milestones {
    let thawed = draft.add(Step::UnpauseContainer { name: swap.name.to_owned() }, "it is paused", &[]);
    wait(draft, swap, "", &[thawed])
}

fn add_wait(draft: &mut Draft, swap: &Swap<'_>, name: &str, reason: &str, after: &[StepId]) -> StepId {
    let name = name.to_owned();
    let step = if swap.one_shot {
        Step::WaitCompleted { name, timeout_ms: COMPLETION_TIMEOUT_MS }
    } else {
        Step::WaitReady { name, timeout_ms: swap.service.ready_timeout_ms() }
    };
    draft.add(step, reason, after)
}

/// Stops and starts a container as it is.
pub(super) fn restart(draft: &mut Draft, old: &ObservedContainer, swap: &Swap<'_>, reason: &str) -> Milestones {
    let mut after = Vec::new();
    if is_running(old) {
        after.push(draft.add(Step::StopContainer { name: old.name.clone(), grace_ms: None }, reason, &[]));
        draft.interrupts(&swap.service.name);
    }
    start(draft, swap, reason, &after)
}

fn is_running(container: &ObservedContainer) -> bool {
    matches!(container.state, State::Running | State::Restarting | State::Paused)
}

/// Puts a new container in the place of an old one: the new one is made under a
/// name of its own, and takes the old one's name when it is ready. Until then
/// the old one can be started again, and is where that fails.
pub(super) fn replace(
    draft: &mut Draft,
    old: &ObservedContainer,
    swap: &Swap<'_>,
    reason: &str,
    changes: Vec<Change>,
    after: &[StepId],
) -> Milestones {
    let next = format!("{}{NEXT}", swap.name);
    let created = add_create(draft, swap, &next, Some(old), reason, after);
    draft.with_changes(created, changes);
    let discard = vec![
        Step::StopContainer { name: next.clone(), grace_ms: Some(0) },
        Step::RemoveContainer { name: next.clone() },
    ];
    let bring_back: Vec<Step> =
        discard.iter().cloned().chain([Step::StartContainer { name: old.name.clone() }]).collect();
    if !is_running(old) {
        draft.with_cleanup(created, discard.clone());
        let placed = take_place(draft, old, &next, swap.name, created);
        return Milestones { replaced: true, ..start(draft, swap, "", &[placed]) };
    }
    let milestones = match start_first(draft, swap, old) {
        None => swap_start_first(draft, old, swap, created, &next, &discard),
        Some(why) => swap_stop_first(draft, old, swap, created, &next, &bring_back, &why),
    };
    Milestones { touched: true, replaced: true, ..milestones }
}

/// `None` where the new one may start first; else why it may not.
fn start_first(draft: &mut Draft, swap: &Swap<'_>, old: &ObservedContainer) -> Option<String> {
    let state =
        swap.service.holds_state().filter(|_| !swap.hands_over).or_else(|| {
            old.anonymous.keys().next().map(|path| format!("it keeps data in an anonymous volume at {path}"))
        });
    match (swap.service.update.order, state) {
        (Some(UpdateOrder::StartFirst), Some(why)) => {
            draft
                .warn(format!("service `{}` asks for `order: start-first`, and stops first: {why}", swap.service.name));
            Some(why)
        }
        (Some(UpdateOrder::StopFirst), None) => Some("the file says `order: stop-first`".to_owned()),
        (_, state) => state,
    }
}

fn swap_start_first(
    draft: &mut Draft,
    old: &ObservedContainer,
    swap: &Swap<'_>,
    created: StepId,
    next: &str,
    discard: &[Step],
) -> Milestones {
    let mut after = vec![created];
    after.extend(&swap.gate.after);
    let started = draft.add(Step::StartContainer { name: next.to_owned() }, "before the old one stops", &after);
    let ready = add_wait(draft, swap, next, "", &[started]);
    let stopped =
        draft.add(Step::StopContainer { name: old.name.clone(), grace_ms: None }, "the new one is ready", &[ready]);
    for id in [created, started, ready] {
        draft.with_cleanup(id, discard.to_vec());
    }
    let renamed = take_place(draft, old, next, swap.name, stopped);
    Milestones { started: vec![renamed], ready: vec![renamed], ..Milestones::default() }
}

fn swap_stop_first(
    draft: &mut Draft,
    old: &ObservedContainer,
    swap: &Swap<'_>,
    created: StepId,
    next: &str,
    bring_back: &[Step],
    why: &str,
) -> Milestones {
    draft.interrupts(&swap.service.name);
    let mut after = vec![created];
    after.extend(&swap.gate.after);
    let stopped = draft.add(
        Step::StopContainer { name: old.name.clone(), grace_ms: None },
        format!("it stops first: {why}"),
        &after,
    );
    let started = draft.add(Step::StartContainer { name: next.to_owned() }, "", &[stopped]);
    let ready = add_wait(draft, swap, next, "", &[started]);
    draft.with_cleanup(created, bring_back[..2].to_vec());
    for id in [stopped, started, ready] {
        draft.with_cleanup(id, bring_back.to_vec());
    }
    let renamed = take_place(draft, old, next, swap.name, ready);
    Milestones { started: vec![renamed], ready: vec![renamed], ..Milestones::default() }
}

fn take_place(draft: &mut Draft, old: &ObservedContainer, next: &str, name: &str, after: StepId) -> StepId {
    let removed = draft.add(Step::RemoveContainer { name: old.name.clone() }, "the new one is in its place", &[after]);
    draft.add(Step::RenameContainer { from: next.to_owned(), to: name.to_owned() }, "", &[removed])
}
