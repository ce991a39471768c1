//! Services behind an edge: new replicas start beside the old ones, their requests are handed over in one moment, and
//! what is left over is retired. Deregister, drain, stop: in this order, and never in another.
//!
//! A service that holds state and has one replica cannot run twice: there the old one ends first, and its requests wait at
//! the edge until the new one is ready.
//!
//! Services that share an edge switch together or not at all, so the plan of each is written in two parts: `prepare`,
//! service by service, and `switch`, once all of them are prepared.

use std::collections::{BTreeMap, BTreeSet};

use super::PlanError;
use super::draft::{Draft, Milestones};
use super::replace::{self, Swap};
use super::replicas::{Context, Gate, NEXT, gate, is_running, is_same, is_up, wanted, why_replace};
use crate::observed::{Observed, ObservedContainer, Routed, State};
use crate::plan::{Change, Step, StepId};
use crate::spec::{ContainerSpec, target_name};
use crate::stack::{BehindEdge, Service, Stack, UpdateOrder};

/// How long a release is watched where the file does not say: long enough for a hundred requests of a small site.
const WINDOW_MS: u64 = 10_000;

/// Failures beyond those of the old release that may be chance, in one of a thousand.
const TOLERATED_PERMILLE: u64 = 10;

/// Requests of a release that never got any have nothing to end.
const UNDO_TIMEOUT_MS: u64 = 1_000;

/// How long requests may take to end where the file sets no `stop_grace_period`.
const RETIRE_TIMEOUT_MS: u64 = 30_000;

type Shares = BTreeMap<String, u32>;

/// A service that is prepared, and not switched.
pub(super) struct Rollout {
    service: String,
    /// The edge's container.
    edge: String,
    /// What the switch waits for.
    ready: Vec<StepId>,
    /// What gets its requests now.
    before: Shares,
    /// What shall get them.
    shares: Shares,
    /// Whether the edge has to be told.
    tells: bool,
    /// What puts everything back until the switch is made.
    undo: Vec<Step>,
    /// The targets that stay; none are retired where the edge knows no others.
    keep: Option<Vec<String>>,
    /// What is not wanted any more.
    obsolete: Vec<Obsolete>,
    /// New containers that take an old one's name.
    renames: Vec<(String, String)>,
    window_ms: u64,
    tolerated_permille: u64,
    retire_timeout_ms: u64,
}

struct Obsolete {
    name: String,
    runs: bool,
    reason: String,
}

/// What becomes of one replica.
enum Fate<'a> {
    /// It is as asked.
    Keep(&'a ObservedContainer),
    /// It is as asked, and does not run.
    Start(&'a ObservedContainer),
    /// There is none that is as asked.
    Create { reason: String, changes: Vec<Change> },
}

struct Replica<'a> {
    spec: ContainerSpec,
    name: String,
    fate: Fate<'a>,
}

/// Brings up what is missing, beside what runs.
pub(super) fn prepare(
    draft: &mut Draft,
    context: &Context<'_>,
    service: &Service,
    behind: &BehindEdge,
) -> Result<(), PlanError> {
    let gate = gate(draft, context, service)?;
    let standing: Vec<&ObservedContainer> = context.containers_of(&service.name).collect();
    let replicas: Vec<Replica<'_>> = (1..=service.replicas)
        .map(|number| {
            let name = service.container_name(&context.stack.project, number);
            context.refuse_foreign(&name)?;
            let spec = wanted(context, service, number);
            let fate = fate(context, service, &standing, &spec, &name, &gate);
            Ok(Replica { spec, name, fate })
        })
        .collect::<Result<_, PlanError>>()?;
    let stays: BTreeSet<&str> = replicas.iter().filter_map(|replica| replica.fate.container()).collect();
    let obsolete: Vec<&ObservedContainer> =
        standing.iter().copied().filter(|container| !stays.contains(container.name.as_str())).collect();
    let release = release_of_new(context, &replicas, &obsolete);
    let alone = alone(draft, service);
    let mut work = Work {
        draft,
        context,
        service,
        behind,
        gate: &gate,
        standing: &standing,
        obsolete: &obsolete,
        release,
        alone,
        ended: BTreeSet::new(),
    };
    let rollout = work.carry_forward(&replicas);
    draft.set_milestones(&service.name, rollout.1);
    if service.replicas == 0 && standing.iter().any(|container| is_running(container)) {
        draft.interrupts(&service.name);
    }
    draft.add_rollout(rollout.0);
    Ok(())
}

/// Why two of its containers cannot run side by side. Where the file asks for several, it says itself that they can.
fn alone(draft: &mut Draft, service: &Service) -> Option<String> {
    let why = service.holds_state().filter(|_| !service.several)?;
    if service.update.order == Some(UpdateOrder::StartFirst) {
        draft.warn(format!("service `{}` asks for `order: start-first`, and stops first: {why}", service.name));
    }
    Some(why)
}

impl Fate<'_> {
    /// The container that it is about, where that stays.
    fn container(&self) -> Option<&str> {
        match self {
            Self::Keep(container) | Self::Start(container) => Some(&container.name),
            Self::Create { .. } => None,
        }
    }
}

fn fate<'a>(
    context: &Context<'_>,
    service: &Service,
    standing: &[&'a ObservedContainer],
    spec: &ContainerSpec,
    name: &str,
    gate: &Gate,
) -> Fate<'a> {
    let of_number = || standing.iter().copied().filter(|container| container.number == spec.number);
    let in_place = of_number().find(|container| container.name == name);
    let swap = Swap { service, spec, name, gate, one_shot: false, release: 0, hands_over: false };
    let why = in_place.and_then(|container| match (container.state, &gate.restart) {
        (State::Dead, _) => Some(("the engine could not remove it".to_owned(), Vec::new())),
        (_, Some(dependency)) => Some((format!("{dependency}, which it depends on, is replaced"), Vec::new())),
        _ => why_replace(context, container, &swap),
    });
    match (in_place, why) {
        (Some(container), None) if is_running(container) && container.state != State::Paused => Fate::Keep(container),
        (in_place, why) => {
            // An interrupted run may have left the new one beside the old one, and requests may go to it already.
            let next = of_number().find(|other| other.name != name && is_same(context, other, spec) && is_up(other));
            match (next, in_place, why) {
                (Some(next), _, _) if !context.options.force_recreate => Fate::Keep(next),
                (_, Some(container), None) => Fate::Start(container),
                (_, _, Some((reason, changes))) => Fate::Create { reason, changes },
                (_, None, None) => Fate::Create { reason: "it is missing".to_owned(), changes: Vec::new() },
            }
        }
    }
}

/// New replicas beside some of the same version are of its release, unless a name would be given twice.
fn release_of_new(context: &Context<'_>, replicas: &[Replica<'_>], obsolete: &[&ObservedContainer]) -> u32 {
    let kept = replicas.iter().filter_map(|replica| match replica.fate {
        Fate::Keep(container) | Fate::Start(container) => container.release,
        Fate::Create { .. } => None,
    });
    let is_free = |release: &u32| {
        let news = replicas.iter().filter(|replica| matches!(replica.fate, Fate::Create { .. }));
        let taken = |number| obsolete.iter().any(|old| old.number == number && old.release == Some(*release));
        !news.map(|replica| replica.spec.number).any(taken)
    };
    kept.max().filter(is_free).unwrap_or(context.observed.next_release)
}

/// The plan of one service while it is written.
struct Work<'a, 'b> {
    draft: &'a mut Draft,
    context: &'a Context<'b>,
    service: &'a Service,
    behind: &'a BehindEdge,
    gate: &'a Gate,
    standing: &'a [&'a ObservedContainer],
    obsolete: &'a [&'a ObservedContainer],
    /// Of what is made anew.
    release: u32,
    /// Why the old one has to end first.
    alone: Option<String>,
    /// Old ones that end before the new one starts.
    ended: BTreeSet<String>,
}

/// A replica on its way: its container, its target, and the release of both.
struct Member {
    container: String,
    target: String,
    release: u32,
    /// The steps after which it can become ready; none where it is so.
    started: Vec<StepId>,
    waits: bool,
    is_new: bool,
}

impl Work<'_, '_> {
    fn carry_forward(&mut self, replicas: &[Replica<'_>]) -> (Rollout, Milestones) {
        let moved = self.clear_names(replicas);
        let mut members: Vec<Member> = Vec::new();
        let mut renames = Vec::new();
        let mut created = Vec::new();
        for replica in replicas {
            let member = self.bring_up(replica, &members, &moved, &mut created);
            if member.container != replica.name {
                renames.push((member.container.clone(), replica.name.clone()));
            }
            members.push(member);
        }
        let undo = self.undo(&members);
        let added = self.tell_of(&members);
        let ready = self.wait_for(&members, &added);
        for id in created.iter().chain(&added).chain(&ready).chain(members.iter().flat_map(|member| &member.started)) {
            self.draft.with_cleanup(*id, undo.clone());
        }
        let milestones = Milestones {
            started: members.iter().flat_map(|member| member.started.clone()).collect(),
            ready: ready.clone(),
            touched: members.iter().any(|member| !member.started.is_empty()),
            replaced: members.iter().any(|member| member.is_new),
        };
        (self.rollout(&members, ready, undo, renames, &moved), milestones)
    }

    /// What stands under the name that a new one needs for a while is given another.
    fn clear_names(&mut self, replicas: &[Replica<'_>]) -> BTreeMap<String, (String, StepId)> {
        let mut moved = BTreeMap::new();
        let is_taken = |name: &str| self.standing.iter().any(|container| container.name == name);
        for replica in replicas.iter().filter(|replica| matches!(replica.fate, Fate::Create { .. })) {
            let next = format!("{}{NEXT}", replica.name);
            if is_taken(&replica.name) && is_taken(&next) {
                let aside = (1..).map(|n| format!("{}-old{n}", replica.name)).find(|name| !is_taken(name));
                let aside = aside.unwrap_or_default();
                let step = Step::RenameContainer { from: next.clone(), to: aside.clone() };
                let id = self.draft.add(step, "an interrupted run left it over", &[]);
                let _ = moved.insert(next, (aside, id));
            }
        }
        moved
    }

    fn bring_up(
        &mut self,
        replica: &Replica<'_>,
        before: &[Member],
        moved: &BTreeMap<String, (String, StepId)>,
        created: &mut Vec<StepId>,
    ) -> Member {
        let Replica { spec, name, fate } = replica;
        let member = |container: &ObservedContainer| Member {
            container: container.name.clone(),
            target: target_name(&container.service, container.number, container.release.unwrap_or(0)),
            release: container.release.unwrap_or(0),
            started: Vec::new(),
            waits: !is_up(container),
            is_new: false,
        };
        match fate {
            Fate::Keep(container) => member(container),
            Fate::Start(container) => {
                let reason = match container.state {
                    State::Exited { code } => format!("it ended with exit code {code}"),
                    State::Paused => "it is paused".to_owned(),
                    _ => "it was never started".to_owned(),
                };
                let name = container.name.clone();
                let step = match container.state {
                    State::Paused => Step::UnpauseContainer { name },
                    _ => Step::StartContainer { name },
                };
                let id = self.draft.add(step, reason, &self.gate.after);
                Member { started: vec![id], ..member(container) }
            }
            Fate::Create { reason, changes } => {
                let next = format!("{name}{NEXT}");
                let is_free = !self.standing.iter().any(|container| container.name == *name);
                let container = if is_free { name.clone() } else { next.clone() };
                let service = self.service;
                let (gate, release) = (self.gate, self.release);
                let swap = Swap { service, spec, name, gate, one_shot: false, release, hands_over: false };
                let cleared: Vec<StepId> =
                    moved.get(&next).map(|(_, id)| *id).into_iter().chain(self.context.torn_down_at(name)).collect();
                let id = replace::add_create(self.draft, &swap, &container, None, reason, &cleared);
                self.draft.with_changes(id, changes.clone());
                created.push(id);
                let mut after = vec![id];
                after.extend(&self.gate.after);
                after.extend(turn(service.update.parallelism, before));
                after = self.end_the_old(&spec.target_name(self.release), after);
                let step = Step::StartContainer { name: container.clone() };
                let reason = if is_free || self.alone.is_some() { "" } else { "beside the old one" };
                let started = vec![self.draft.add(step, reason, &after)];
                Member {
                    container,
                    target: spec.target_name(self.release),
                    release: self.release,
                    started,
                    waits: true,
                    is_new: true,
                }
            }
        }
    }

    /// Where two cannot run side by side: the old one's requests end, new ones wait at the edge, and it stops.
    fn end_the_old(&mut self, new: &str, after: Vec<StepId>) -> Vec<StepId> {
        let running: Vec<&ObservedContainer> = self.obsolete.iter().copied().filter(|old| is_running(old)).collect();
        let Some(why) = self.alone.clone().filter(|_| !running.is_empty()) else { return after };
        let (edge, service) = (self.edge(), self.service.name.clone());
        let timeout_ms = self.service.run.stop_grace_period_ms.unwrap_or(RETIRE_TIMEOUT_MS);
        // The new one is there already, or will be: nothing is routed to it yet.
        let keep = vec![new.to_owned()];
        let retire = Step::RetireTargets { edge, service: service.clone(), keep, timeout_ms };
        let undo = self.undo_alone(&running);
        self.draft.holds(&service);
        let mut last = self.draft.add(retire, format!("requests wait meanwhile: {why}"), &after);
        self.draft.with_cleanup(last, undo.clone());
        for old in running {
            let _ = self.ended.insert(old.name.clone());
            let step = Step::StopContainer { name: old.name.clone(), grace_ms: None };
            last = self.draft.add(step, format!("it stops first: {why}"), &[last]);
            self.draft.with_cleanup(last, undo.clone());
        }
        vec![last]
    }

    /// The new one goes away, and the old one serves again.
    fn undo_alone(&self, running: &[&ObservedContainer]) -> Vec<Step> {
        let mut undo = Vec::new();
        let next = format!("{}{NEXT}", self.service.container_name(&self.context.stack.project, 1));
        undo.push(Step::StopContainer { name: next.clone(), grace_ms: Some(0) });
        undo.push(Step::RemoveContainer { name: next });
        for old in running {
            undo.push(Step::StartContainer { name: old.name.clone() });
            let Some(release) = old.release else { continue };
            let (edge, service) = (self.edge(), self.service.name.clone());
            undo.push(Step::AddTargets {
                edge: edge.clone(),
                service: service.clone(),
                release: release.to_string(),
                targets: target_of(old).into_iter().collect(),
                port: self.behind.port,
            });
            let routes = [(service, Shares::from([(release.to_string(), 1)]))].into();
            undo.push(Step::RouteRequests { edge, routes, force: true });
        }
        undo
    }

    /// What takes the new ones away again, where something else serves meanwhile.
    fn undo(&self, members: &[Member]) -> Vec<Step> {
        let new: Vec<&Member> = members.iter().filter(|member| member.is_new).collect();
        if new.is_empty() || !self.standing.iter().any(|container| is_running(container)) {
            return Vec::new();
        }
        if self.alone.is_some() {
            let running = self.obsolete.iter().copied().filter(|old| is_running(old));
            return self.undo_alone(&running.collect::<Vec<_>>());
        }
        let keep =
            self.standing.iter().filter(|container| is_running(container)).filter_map(|c| target_of(c)).collect();
        let mut undo = vec![Step::RetireTargets {
            edge: self.edge(),
            service: self.service.name.clone(),
            keep,
            timeout_ms: UNDO_TIMEOUT_MS,
        }];
        for member in new {
            undo.push(Step::StopContainer { name: member.container.clone(), grace_ms: Some(0) });
            undo.push(Step::RemoveContainer { name: member.container.clone() });
        }
        undo
    }

    /// Tells the edge of what it does not know.
    fn tell_of(&mut self, members: &[Member]) -> Vec<StepId> {
        let known = self.routed().map(|routed| routed.targets.as_slice()).unwrap_or_default();
        let is_known = |member: &Member| {
            let release = member.release.to_string();
            known.iter().any(|target| {
                (&target.name, target.port, &target.release) == (&member.target, self.behind.port, &release)
                    && target.phase != "draining"
            })
        };
        let mut unknown: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for member in members.iter().filter(|member| !is_known(member)) {
            unknown.entry(member.release).or_default().push(member.target.clone());
        }
        let after = self.draft.milestones_of(&self.behind.service).ready;
        let (edge, service) = (self.edge(), self.service.name.clone());
        let add = |(release, targets): (u32, Vec<String>)| {
            let (edge, service, release) = (edge.clone(), service.clone(), release.to_string());
            let step = Step::AddTargets { edge, service, release, targets, port: self.behind.port };
            self.draft.add(step, "it probes them from now on", &after)
        };
        unknown.into_iter().map(add).collect()
    }

    fn wait_for(&mut self, members: &[Member], added: &[StepId]) -> Vec<StepId> {
        let mut waiting: BTreeMap<u32, Vec<&Member>> = BTreeMap::new();
        for member in members.iter().filter(|member| member.waits || !added.is_empty()) {
            waiting.entry(member.release).or_default().push(member);
        }
        let mut ready = Vec::new();
        for (release, members) in waiting {
            let mut after: Vec<StepId> = members.iter().flat_map(|member| member.started.clone()).collect();
            after.extend(added);
            let step = Step::WaitTargets {
                edge: self.edge(),
                service: self.service.name.clone(),
                release: release.to_string(),
                targets: members.iter().map(|member| member.target.clone()).collect(),
                containers: members.iter().map(|member| member.container.clone()).collect(),
                timeout_ms: self.service.ready_timeout_ms(),
            };
            ready.push(self.draft.add(step, "", &after));
        }
        ready
    }

    fn rollout(
        &self,
        members: &[Member],
        ready: Vec<StepId>,
        undo: Vec<Step>,
        renames: Vec<(String, String)>,
        moved: &BTreeMap<String, (String, StepId)>,
    ) -> Rollout {
        let shares = shares_of(members.iter().map(|member| member.release));
        let serving = || self.standing.iter().filter(|container| is_running(container)).filter_map(|c| c.release);
        let routed = self.routed();
        let before = routed.map_or_else(|| shares_of(serving()), |routed| routed.shares.clone());
        let tells = !shares.is_empty() && routed.is_none_or(|routed| routed.shares != shares || routed.on_trial);
        let keep: Vec<String> = members.iter().map(|member| member.target.clone()).collect();
        let knows_others = routed.is_none_or(|routed| routed.targets.iter().any(|target| !keep.contains(&target.name)));
        let obsolete = self.obsolete.iter().map(|container| Obsolete {
            name: moved.get(&container.name).map_or_else(|| container.name.clone(), |(name, _)| name.clone()),
            runs: is_running(container) && !self.ended.contains(&container.name),
            reason: match container.number > self.service.replicas {
                true => format!("{} replicas are asked for", self.service.replicas),
                false => "the new one is in its place".to_owned(),
            },
        });
        Rollout {
            service: self.service.name.clone(),
            edge: self.edge(),
            ready,
            before,
            shares,
            tells,
            undo,
            keep: (knows_others || !self.obsolete.is_empty()).then_some(keep),
            obsolete: obsolete.collect(),
            renames,
            // Alone there is nothing that it could be compared with.
            window_ms: if self.alone.is_some() { 0 } else { self.window_ms() },
            tolerated_permille: self.service.update.tolerated_permille.unwrap_or(TOLERATED_PERMILLE),
            retire_timeout_ms: self.service.run.stop_grace_period_ms.unwrap_or(RETIRE_TIMEOUT_MS),
        }
    }

    fn window_ms(&self) -> u64 {
        self.context.options.watch_ms.or(self.service.update.monitor_ms).unwrap_or(WINDOW_MS)
    }

    fn edge(&self) -> String {
        let stack = self.context.stack;
        let edge = stack.services.get(&self.behind.service);
        edge.map(|edge| edge.container_name(&stack.project, 1)).unwrap_or_default()
    }

    fn routed(&self) -> Option<&Routed> {
        // An edge that answers and has never heard of the service knows nothing of it.
        static NOTHING: Routed = Routed { shares: BTreeMap::new(), on_trial: false, targets: Vec::new() };
        let edge = self.context.observed.edges.get(&self.behind.service)?;
        Some(edge.get(&self.service.name).unwrap_or(&NOTHING))
    }
}

fn target_of(container: &ObservedContainer) -> Option<String> {
    Some(target_name(&container.service, container.number, container.release?))
}

/// The ready replica that this one waits for, so that not more than so many start at once.
fn turn(parallelism: u32, before: &[Member]) -> Vec<StepId> {
    let started: Vec<&Member> = before.iter().filter(|member| member.is_new).collect();
    let index = (parallelism as usize).checked_sub(1).and_then(|width| started.len().checked_sub(width + 1));
    index.map(|index| started[index].started.clone()).unwrap_or_default()
}

/// Each release gets as much as it has replicas; one alone gets all.
fn shares_of(releases: impl Iterator<Item = u32>) -> Shares {
    let mut shares = Shares::new();
    for release in releases {
        *shares.entry(release.to_string()).or_insert(0) += 1;
    }
    if shares.len() == 1 {
        shares.values_mut().for_each(|share| *share = 1);
    }
    shares
}

/// Hands the requests of all prepared services over, and retires what is left.
pub(super) fn switch(draft: &mut Draft) {
    let mut by_edge: BTreeMap<String, Vec<Rollout>> = BTreeMap::new();
    for rollout in draft.take_rollouts() {
        by_edge.entry(rollout.edge.clone()).or_default().push(rollout);
    }
    for (edge, rollouts) in by_edge {
        let told = hand_over(draft, &edge, &rollouts);
        for rollout in rollouts {
            let after = if rollout.tells { told.clone() } else { rollout.ready.clone() };
            retire(draft, rollout, &after);
        }
    }
}

/// Services that an edge knows and that are not behind it any more: nothing of them is left to be asked.
pub(super) fn forget(draft: &mut Draft, stack: &Stack, observed: &Observed) {
    for (edge, services) in &observed.edges {
        let Some(container) = stack.services.get(edge).map(|edge| edge.container_name(&stack.project, 1)) else {
            continue;
        };
        let is_behind = |name: &str| {
            let service = stack.services.get(name);
            stack.inactive.iter().any(|inactive| inactive == name)
                || service.and_then(|service| service.edge.as_ref()).is_some_and(|behind| behind.service == *edge)
        };
        for (service, _) in services.iter().filter(|(name, routed)| !routed.targets.is_empty() && !is_behind(name)) {
            let after = draft.milestones_of(edge).ready;
            let step = Step::RetireTargets {
                edge: container.clone(),
                service: service.clone(),
                keep: Vec::new(),
                timeout_ms: RETIRE_TIMEOUT_MS,
            };
            draft.add(step, "the file has no such service behind it", &after);
        }
    }
}

/// The moment in which the requests change sides; before it a trial, where something is there to be compared with.
fn hand_over(draft: &mut Draft, edge: &str, rollouts: &[Rollout]) -> Vec<StepId> {
    let told: Vec<&Rollout> = rollouts.iter().filter(|rollout| rollout.tells).collect();
    if told.is_empty() {
        return Vec::new();
    }
    let mut after: Vec<StepId> = told.iter().flat_map(|rollout| rollout.ready.clone()).collect();
    let undo = undo_all(edge, &told);
    let is_tried = |rollout: &&&Rollout| rollout.new_release().is_some() && rollout.window_ms > 0;
    let tried: Vec<&&Rollout> = told.iter().filter(is_tried).collect();
    let window_ms = tried.iter().map(|rollout| rollout.window_ms).max().unwrap_or(0);
    if window_ms > 0 {
        let release = |rollout: &&&Rollout| Some((rollout.service.clone(), rollout.new_release()?.clone()));
        let step = Step::TryReleases {
            edge: edge.to_owned(),
            releases: tried.iter().filter_map(release).collect(),
            window_ms,
            tolerated_permille: tried.iter().map(|rollout| rollout.tolerated_permille).min().unwrap_or(0),
        };
        let id = draft.add(step, "a growing part of the requests; back at once where it does worse", &after);
        draft.with_cleanup(id, undo.clone());
        after = vec![id];
    }
    let routes = told.iter().map(|rollout| (rollout.service.clone(), rollout.shares.clone())).collect();
    let step = Step::RouteRequests { edge: edge.to_owned(), routes, force: false };
    let id = draft.add(step, if told.len() > 1 { "all in one moment" } else { "" }, &after);
    draft.with_cleanup(id, undo);
    vec![id]
}

impl Rollout {
    /// The release that is new to the edge, where it comes after another.
    fn new_release(&self) -> Option<&String> {
        let (release, _) = self.shares.first_key_value().filter(|_| self.shares.len() == 1)?;
        (!self.before.is_empty() && !self.before.contains_key(release)).then_some(release)
    }
}

/// First the requests go back, then the new ones go away.
fn undo_all(edge: &str, told: &[&Rollout]) -> Vec<Step> {
    let back: BTreeMap<String, Shares> = told
        .iter()
        .filter(|rollout| !rollout.before.is_empty() && !rollout.undo.is_empty())
        .map(|rollout| (rollout.service.clone(), rollout.before.clone()))
        .collect();
    let mut undo = Vec::new();
    if !back.is_empty() {
        undo.push(Step::RouteRequests { edge: edge.to_owned(), routes: back, force: true });
    }
    undo.extend(told.iter().flat_map(|rollout| rollout.undo.clone()));
    undo
}

fn retire(draft: &mut Draft, rollout: Rollout, after: &[StepId]) {
    let Rollout { service, edge, keep, obsolete, renames, retire_timeout_ms, .. } = rollout;
    let mut after = after.to_vec();
    if let Some(keep) = keep {
        let step = Step::RetireTargets { edge, service, keep, timeout_ms: retire_timeout_ms };
        after = vec![draft.add(step, "their requests end first", &after)];
    }
    let mut removed = BTreeMap::new();
    for old in obsolete {
        let mut after = after.clone();
        if old.runs {
            let step = Step::StopContainer { name: old.name.clone(), grace_ms: None };
            after = vec![draft.add(step, old.reason.as_str(), &after)];
        }
        let id = draft.add(Step::RemoveContainer { name: old.name.clone() }, old.reason, &after);
        let _ = removed.insert(old.name, id);
    }
    for (from, to) in renames {
        let after: Vec<StepId> = removed.get(&to).map_or_else(|| after.clone(), |id| vec![*id]);
        draft.add(Step::RenameContainer { from, to }, "", &after);
    }
}
