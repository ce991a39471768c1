//! What becomes of each replica of a service.

use super::draft::{Draft, Milestones};
use super::replace::{self, Swap};
use super::resources::{self, TornDown};
use super::{PlanError, UpOptions, diff, rollout};
use crate::observed::{Health, Observed, ObservedContainer, State};
use crate::plan::{Change, Step, StepId};
use crate::spec::ContainerSpec;
use crate::stack::{Condition, Restart, Service, Stack};

/// What every service is planned with.
pub(super) struct Context<'a> {
    pub(super) stack: &'a Stack,
    pub(super) observed: &'a Observed,
    pub(super) options: &'a UpOptions,
    pub(super) torn_down: &'a TornDown,
}

impl Context<'_> {
    /// The containers of a service that still stand.
    pub(super) fn containers_of(&self, service: &str) -> impl Iterator<Item = &ObservedContainer> {
        self.observed
            .containers
            .iter()
            .filter(move |container| container.service == service && !self.torn_down.contains_key(&container.name))
    }

    /// The step after which a name is free again, where this plan takes its container away.
    pub(super) fn torn_down_at(&self, name: &str) -> Option<StepId> {
        self.torn_down.get(name).copied()
    }

    /// A name can be used only where no other project has it.
    pub(super) fn refuse_foreign(&self, name: &str) -> Result<(), PlanError> {
        if self.observed.foreign_names.iter().all(|foreign| foreign != name) {
            return Ok(());
        }
        Err(PlanError::new(
            format!("a container named `{name}` is there already, and is not of project `{}`", self.stack.project),
            format!("remove it with `docker rm {name}`, or give this project another name with `-p`"),
        ))
    }
}

/// The specification that a replica shall have: of the stack, or of the release that is gone back to.
pub(super) fn wanted(context: &Context<'_>, service: &Service, number: u32) -> ContainerSpec {
    match context.options.pinned.get(&service.name) {
        Some(pinned) => ContainerSpec { number, ..pinned.clone() },
        None => ContainerSpec::of(context.stack, service, number),
    }
}

/// The end of a container's name while it is not yet in the place of the one that it replaces.
pub(super) const NEXT: &str = "-next";

pub(super) fn plan(draft: &mut Draft, context: &Context<'_>, service: &Service) -> Result<(), PlanError> {
    if let Some(port) = service.run.ports.iter().find_map(|port| port.published).filter(|_| service.replicas > 1) {
        return Err(PlanError::new(
            format!("service `{}` has {} replicas, and one port {port} of the host", service.name, service.replicas),
            "only one container can hold it: ask for one replica, or take the port's number on the host away",
        ));
    }
    if let Some(behind) = &service.edge {
        return rollout::prepare(draft, context, service, behind);
    }
    let gate = gate(draft, context, service)?;
    let mut milestones = Milestones::default();
    let mut ready_by_replica: Vec<Vec<StepId>> = Vec::new();
    for number in 1..=service.replicas {
        // So many are replaced at a time that the others go on serving.
        let turn = match service.update.parallelism as usize {
            0 => None,
            width => ready_by_replica.len().checked_sub(width),
        };
        let turn = turn.map(|index| ready_by_replica[index].clone()).unwrap_or_default();
        let one = plan_replica(draft, context, service, number, &gate, &turn)?;
        ready_by_replica.push(one.ready.clone());
        milestones.started.extend(one.started);
        milestones.ready.extend(one.ready);
        milestones.touched |= one.touched;
        milestones.replaced |= one.replaced;
    }
    draft.set_milestones(&service.name, milestones.clone());
    if service.replicas == 0 && context.containers_of(&service.name).any(is_running) {
        draft.interrupts(&service.name);
    }
    for surplus in context.containers_of(&service.name).filter(|container| container.number > service.replicas) {
        remove_surplus(draft, surplus, service.replicas, &milestones.ready);
    }
    Ok(())
}

fn remove_surplus(draft: &mut Draft, container: &ObservedContainer, replicas: u32, after: &[StepId]) {
    let reason = format!("{replicas} replicas are asked for");
    let name = container.name.clone();
    let stopped = draft.add(Step::StopContainer { name: name.clone(), grace_ms: None }, reason.as_str(), after);
    draft.add(Step::RemoveContainer { name }, reason, &[stopped]);
}

/// What a service's containers wait for, and what its dependencies mean for it.
#[derive(Default)]
pub(super) struct Gate {
    /// Steps of the dependencies.
    pub(super) after: Vec<StepId>,
    /// A dependency is started or made anew: one that completed runs again.
    touched: bool,
    /// A dependency with `restart: true` is made anew.
    pub(super) restart: Option<String>,
    /// The service whose network or process namespace is shared is made anew.
    namespace: Option<String>,
}

pub(super) fn gate(draft: &mut Draft, context: &Context<'_>, service: &Service) -> Result<Gate, PlanError> {
    let mut gate = Gate::default();
    let mut warnings = Vec::new();
    for (name, dependency) in &service.depends_on {
        let Some(on) = context.stack.services.get(name).filter(|on| on.replicas > 0) else {
            if !dependency.required {
                warnings.push(format!("service `{}` goes without `{name}`, which is not active", service.name));
            }
            continue;
        };
        let milestones = draft.milestones_of(name);
        match dependency.condition {
            Condition::ServiceStarted => gate.after.extend(&milestones.started),
            Condition::ServiceHealthy => {
                refuse_without_healthcheck(context, service, on)?;
                gate.after.extend(&milestones.ready);
            }
            Condition::ServiceCompletedSuccessfully => gate.after.extend(&milestones.ready),
        }
        gate.touched |= milestones.touched;
        if milestones.replaced && dependency.restart {
            gate.restart = Some(name.clone());
        }
        let shared = format!("service:{name}");
        let shares = [&service.run.network_mode, &service.run.security.pid, &service.run.security.ipc];
        if milestones.replaced && shares.iter().any(|mode| mode.as_deref() == Some(&shared)) {
            gate.namespace = Some(name.clone());
        }
    }
    warnings.into_iter().for_each(|warning| draft.warn(warning));
    Ok(gate)
}

/// A wait that can never end is an error before anything starts.
fn refuse_without_healthcheck(context: &Context<'_>, service: &Service, on: &Service) -> Result<(), PlanError> {
    let from_image = || context.observed.images.get(&on.image_reference()).and_then(|image| image.has_healthcheck);
    let has = match &on.run.healthcheck {
        Some(check) if check.is_disabled() => Some(false),
        Some(check) if check.test.is_some() => Some(true),
        _ => from_image(),
    };
    if has == Some(false) {
        return Err(PlanError::new(
            format!(
                "service `{}` waits for `{}` to be healthy, and `{}` has no health check",
                service.name, on.name, on.name
            ),
            format!("give `{}` a `healthcheck`, or wait with `condition: service_started`", on.name),
        ));
    }
    Ok(())
}

fn plan_replica(
    draft: &mut Draft,
    context: &Context<'_>,
    service: &Service,
    number: u32,
    gate: &Gate,
    turn: &[StepId],
) -> Result<Milestones, PlanError> {
    let name = service.container_name(&context.stack.project, number);
    context.refuse_foreign(&name)?;
    let mut spec = wanted(context, service, number);
    let standing = context.containers_of(&service.name).find(|container| container.name == name);
    if service.keep_image
        && let Some(made_from) = standing.and_then(|container| container.spec.as_ref())
    {
        spec.image.clone_from(&made_from.image);
    }
    let next_name = format!("{name}{NEXT}");
    let left_over = context.containers_of(&service.name).find(|container| container.name == next_name);
    let swap = Swap {
        service,
        spec: &spec,
        name: &name,
        gate,
        one_shot: is_meant_to_end(context.stack, service),
        release: context.observed.next_release,
        hands_over: context.stack.is_edge(&service.name) && service.run.ports.is_empty(),
    };
    match (standing, left_over) {
        (standing, Some(next)) if is_same(context, next, &spec) && (standing.is_none() || is_up(next)) => {
            Ok(finish_swap(draft, standing, next, &swap))
        }
        (standing, left_over) => {
            let cleared: Vec<StepId> = left_over
                .map(|container| resources::remove(draft, container, "an interrupted run left it over"))
                .into_iter()
                .chain(context.torn_down.get(&name).copied())
                .collect();
            Ok(match standing {
                None => {
                    let torn_down = context.observed.containers.iter().find(|container| container.name == name);
                    replace::create(draft, &swap, torn_down, "it is missing", &cleared)
                }
                Some(old) => plan_standing(draft, context, old, &swap, &[&cleared, turn].concat()),
            })
        }
    }
}

/// An earlier run stopped before the new container took the old one's place.
fn finish_swap(
    draft: &mut Draft,
    standing: Option<&ObservedContainer>,
    next: &ObservedContainer,
    swap: &Swap<'_>,
) -> Milestones {
    let reason = "an interrupted run did not come to it";
    let removed: Vec<StepId> = standing.map(|old| resources::remove(draft, old, reason)).into_iter().collect();
    let rename = Step::RenameContainer { from: next.name.clone(), to: swap.name.to_owned() };
    let renamed = draft.add(rename, reason, &removed);
    if is_up(next) {
        return Milestones { started: vec![renamed], ready: vec![renamed], touched: true, replaced: true };
    }
    replace::start(draft, swap, reason, &[renamed])
}

fn plan_standing(
    draft: &mut Draft,
    context: &Context<'_>,
    old: &ObservedContainer,
    swap: &Swap<'_>,
    cleared: &[StepId],
) -> Milestones {
    if let Some((reason, changes)) = why_replace(context, old, swap) {
        return replace::replace(draft, old, swap, &reason, changes, cleared);
    }
    if swap.one_shot {
        return plan_ended(draft, old, swap);
    }
    if let Some(dependency) = &swap.gate.restart {
        let reason = format!("{dependency}, which it depends on, is replaced");
        return replace::restart(draft, old, swap, &reason);
    }
    match old.state {
        State::Running if old.health == Health::Healthy || old.health == Health::None => Milestones::default(),
        State::Running | State::Restarting => replace::wait(draft, swap, "it runs, and is not ready", &[]),
        State::Paused => replace::unpause(draft, swap),
        State::Created => replace::start(draft, swap, "it was never started", cleared),
        // Its policy says that an end without an error is its end.
        State::Exited { code: 0 } if matches!(swap.service.run.restart, Restart::OnFailure { .. }) => {
            Milestones::default()
        }
        State::Exited { code } => replace::start(draft, swap, &format!("it ended with exit code {code}"), cleared),
        State::Dead => replace::replace(draft, old, swap, "the engine could not remove it", Vec::new(), cleared),
    }
}

/// A container that is meant to end: it runs again where it failed, or where
/// what it depends on was started anew.
fn plan_ended(draft: &mut Draft, old: &ObservedContainer, swap: &Swap<'_>) -> Milestones {
    match old.state {
        State::Exited { code: 0 } if !swap.gate.touched => Milestones::default(),
        State::Exited { code: 0 } => replace::start(draft, swap, "what it depends on was started anew", &[]),
        State::Running | State::Restarting => replace::wait(draft, swap, "it has not ended", &[]),
        State::Paused => replace::unpause(draft, swap),
        State::Created => replace::start(draft, swap, "it was never started", &[]),
        State::Exited { code } => replace::start(draft, swap, &format!("it ended with exit code {code}"), &[]),
        State::Dead => replace::replace(draft, old, swap, "the engine could not remove it", Vec::new(), &[]),
    }
}

pub(super) fn is_running(container: &ObservedContainer) -> bool {
    matches!(container.state, State::Running | State::Restarting | State::Paused)
}

pub(super) fn is_up(container: &ObservedContainer) -> bool {
    container.state == State::Running && matches!(container.health, Health::Healthy | Health::None)
}

/// Whether some dependent waits for it to complete.
#[must_use]
pub fn is_meant_to_end(stack: &Stack, service: &Service) -> bool {
    stack.services.values().any(|dependent| {
        dependent
            .depends_on
            .get(&service.name)
            .is_some_and(|dependency| dependency.condition == Condition::ServiceCompletedSuccessfully)
    })
}

pub(super) fn is_same(context: &Context<'_>, container: &ObservedContainer, spec: &ContainerSpec) -> bool {
    container.config_hash.as_deref() == Some(&spec.config_hash()) && !image_moved(context, container, spec)
}

/// The reference names another image now than the one that the container runs.
fn image_moved(context: &Context<'_>, container: &ObservedContainer, spec: &ContainerSpec) -> bool {
    context.observed.images.get(&spec.image).is_some_and(|image| image.id != container.image_id)
}

pub(super) fn why_replace(
    context: &Context<'_>,
    old: &ObservedContainer,
    swap: &Swap<'_>,
) -> Option<(String, Vec<Change>)> {
    let reason = |text: &str| Some((text.to_owned(), Vec::new()));
    if context.options.force_recreate {
        return reason("a replacement was asked for");
    }
    if let Some(name) = &swap.gate.namespace {
        return Some((format!("it shares a namespace of {name}, which is replaced"), Vec::new()));
    }
    if let Some(network) = lost_network(context, old) {
        return Some((format!("network {network} was made anew, and it is on the old one"), Vec::new()));
    }
    let changes = match (&old.config_hash, &old.spec) {
        (None, _) => return reason("it was not made by mainstay"),
        (Some(hash), _) if *hash == swap.spec.config_hash() => Vec::new(),
        (Some(_), None) => return reason("its configuration cannot be read"),
        (Some(hash), Some(from)) => {
            let changes = diff::fields(from, &swap.spec.without_hidden_values());
            // Values that may be secret are not in the label: their change shows in the hash alone.
            if changes.is_empty() && hash.split(':').next() == swap.spec.config_hash().split(':').next() {
                return reason("a value of its environment changed that is not shown");
            }
            changes
        }
    };
    if !changes.is_empty() {
        return Some(("its configuration changed".to_owned(), changes));
    }
    if image_moved(context, old, swap.spec) {
        return Some((format!("{} is another image now", swap.spec.image), Vec::new()));
    }
    let edits = edits(old, swap.spec);
    (!edits.is_empty()).then(|| ("it was changed behind our back".to_owned(), edits))
}

/// A network that the container was put on, and that is another one now.
fn lost_network<'a>(context: &Context<'_>, old: &'a ObservedContainer) -> Option<&'a str> {
    let moved = |(name, id): (&'a String, &String)| {
        let now = context.observed.networks.get(name).map(|network| &network.id);
        (now != Some(id)).then_some(name.as_str())
    };
    old.network_ids.iter().find_map(moved)
}

/// What `docker update`, `docker network connect` and `disconnect` did.
fn edits(old: &ObservedContainer, spec: &ContainerSpec) -> Vec<Change> {
    let wanted = &spec.run.resources;
    let mut edits = Vec::new();
    let mut compare = |field: &str, from: String, to: String| {
        if from != to {
            edits.push(Change { field: field.to_owned(), from, to });
        }
    };
    compare("memory", old.limits.memory_bytes.to_string(), wanted.memory_bytes.unwrap_or(0).to_string());
    compare("cpus", old.limits.nano_cpus.to_string(), wanted.nano_cpus.unwrap_or(0).to_string());
    compare("pids", old.limits.pids.max(0).to_string(), wanted.pids.unwrap_or(0).max(0).to_string());
    compare("restart", old.limits.restart.clone(), spec.run.restart.engine_name().to_owned());
    let mut on = old.networks.clone();
    let mut asked: Vec<String> = spec.run.networks.keys().cloned().collect();
    on.sort_unstable();
    asked.sort_unstable();
    if !asked.is_empty() {
        compare("networks", on.join(", "), asked.join(", "));
    }
    edits
}
