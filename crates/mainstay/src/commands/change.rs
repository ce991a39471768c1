//! A change of what runs, for every verb that makes one: observe, plan, look before it is begun, carry out, and keep the
//! receipt as a release.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use mainstay_plan::observed::{Observed, State};
use mainstay_plan::plan::{Downtime, Plan, Step, StepId};
use mainstay_plan::planner::{UpOptions, is_meant_to_end, plan_images, plan_up};
use mainstay_plan::spec::{ContainerSpec, without_tag};
use mainstay_plan::stack::{PullPolicy, Stack};
use serde_json::json;

use super::turn::Turn;
use super::{ask, carry_out, carry_out_to, signals};
use crate::cli::Globals;
use crate::doctor;
use crate::engine::docker::DockerEngine;
use crate::engine::{EdgeAsk, EdgeReply, Engine};
use crate::error::{Error, Result};
use crate::execute;
use crate::load::Loaded;
use crate::observe::observe;
use crate::releases::{self, Changed, Migrated, Outcome, Record, Schema, StepTaken, Version, origin};
use crate::report::{self, Sink};

/// What a person asked for.
pub(super) struct Change {
    /// The command, for the receipt.
    pub(super) verb: String,
    pub(super) options: UpOptions,
    /// Do not ask.
    pub(super) yes: bool,
    /// The release that is gone back to.
    pub(super) back_to: Option<u32>,
}

/// How it went, where it did not fail.
pub(super) enum Made {
    /// All is as asked already.
    Nothing,
    /// It is done, and this is the receipt.
    Done(Box<Record>),
    /// A person stopped it.
    Interrupted,
}

/// Makes the change.
///
/// # Errors
///
/// It cannot be made; what ran before runs on, as far as the plan says so.
pub(super) async fn make(
    globals: &Globals,
    engine: &DockerEngine,
    loaded: &Loaded,
    turn: &Turn,
    change: Change,
) -> Result<Made> {
    let stack = &loaded.stack;
    let Change { verb, mut options, yes, back_to } = change;
    let and_again = |error| and_again(error, &verb);
    if brings_new_images(stack, &options) {
        // What a reference names is known only once it was pulled or built.
        let images = plan_images(stack, &observe(engine, stack).await?, &options)?;
        match carry_out(engine, loaded, &images, globals.format()).await {
            execute::Outcome::Done => {}
            execute::Outcome::Failed(error) => return Err(and_again(error)),
            execute::Outcome::Interrupted => return Ok(Made::Interrupted),
        }
        options = UpOptions { rebuild: false, pull: false, images_are_new: true, ..options };
    }
    let observed = observe(engine, stack).await?;
    let plan = plan_up(stack, &observed, &options)?;
    if plan.is_empty() {
        plan.warnings.iter().for_each(|warning| report::warning(warning));
        return Ok(Made::Nothing);
    }
    preflight(engine, stack, &plan).await?;
    if plan.is_destructive() {
        ask::consent(&format!("this {}", plan.downtime), yes)?;
    }
    announce(globals, &plan);
    let mut record = begin(&verb, &observed, &plan, loaded, back_to);
    if observed.store_ready {
        releases::write(engine, &stack.project, &record).await?;
    }
    let begun = Instant::now();
    let counts_before = counts(engine, stack, &plan).await;
    let sink = Sink::new(&plan, globals.format());
    let outcome = carry_out_to(engine, loaded, &plan, &sink, signals::stop_or(turn.lost())).await;
    record.took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    record.ledger = since(&counts_before, &counts(engine, stack, &plan).await);
    receive(&mut record, &plan, &sink.took(), &outcome);
    if let Err(error) = keep(engine, stack, &plan, &options, &mut record).await {
        report::warning(&format!("the receipt of release {} is not kept: {error}", record.number));
    }
    match outcome {
        execute::Outcome::Done => Ok(Made::Done(Box::new(record))),
        execute::Outcome::Failed(error) => Err(and_again(error)),
        execute::Outcome::Interrupted => Ok(Made::Interrupted),
    }
}

fn brings_new_images(stack: &Stack, options: &UpOptions) -> bool {
    let pulls = || stack.services.values().any(|service| service.pull_policy == PullPolicy::Always);
    options.pinned.is_empty() && (options.rebuild || options.pull || pulls())
}

fn and_again(error: Error, verb: &str) -> Error {
    let hint = error.hint.clone().unwrap_or_else(|| "mend it".to_owned());
    error.hint(format!("{hint}; `mainstay {verb}` then goes on from here"))
}

/// Finds before anything is touched what would fail halfway.
async fn preflight(engine: &DockerEngine, stack: &Stack, plan: &Plan) -> Result<()> {
    let findings = doctor::preflight(engine, stack, plan).await?;
    let (errors, warnings): (Vec<_>, Vec<_>) = findings.into_iter().partition(doctor::Finding::is_error);
    warnings.iter().for_each(|finding| report::warning(&finding.to_string()));
    match errors.split_first() {
        None => Ok(()),
        Some((first, rest)) => {
            let more: String = rest.iter().map(|finding| format!("\nerror: {}", finding.message)).collect();
            Err(Error::new(format!("{}{more}", first.message)).hint(first.hint.clone()))
        }
    }
}

fn announce(globals: &Globals, plan: &Plan) {
    if globals.json {
        report::json_line(
            &json!({"event": "plan", "project": plan.project, "steps": plan.steps.len(), "downtime": plan.downtime, "warnings": plan.warnings}),
        );
        return;
    }
    plan.warnings.iter().for_each(|warning| report::warning(warning));
    if plan.downtime != Downtime::None {
        report::talk(&format!("{}: {}; {}", plan.project, plan.length(), plan.downtime));
    }
}

/// The receipt before anything was done: should this machine go away, it says that something was begun.
fn begin(verb: &str, observed: &Observed, plan: &Plan, loaded: &Loaded, back_to: Option<u32>) -> Record {
    let mut changed: Vec<Changed> = Vec::new();
    for planned in &plan.steps {
        if let Step::CreateContainer { spec, .. } = &planned.step
            && !changed.iter().any(|one| one.service == spec.service)
        {
            let fields = planned.changes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let reason = if fields.is_empty() { planned.reason.clone() } else { fields };
            changed.push(Changed { service: spec.service.clone(), reason });
        }
    }
    Record {
        number: observed.next_release,
        verb: verb.to_owned(),
        began: releases::now(),
        took_ms: 0,
        who: origin::who(),
        commit: origin::commit(&loaded.folder),
        outcome: Outcome::Running,
        back_to,
        changed,
        migrated: Vec::new(),
        services: BTreeMap::new(),
        steps: Vec::new(),
        ledger: serde_json::Value::Null,
    }
}

fn receive(record: &mut Record, plan: &Plan, took: &BTreeMap<StepId, Duration>, outcome: &execute::Outcome) {
    record.outcome = match outcome {
        execute::Outcome::Done => Outcome::Done,
        execute::Outcome::Failed(error) => Outcome::Failed { error: error.message.clone() },
        execute::Outcome::Interrupted => Outcome::Interrupted,
    };
    let taken = |(index, planned): (usize, &mainstay_plan::plan::PlannedStep)| StepTaken {
        title: planned.step.title(),
        reason: planned.reason.clone(),
        took_ms: took.get(&StepId(index)).and_then(|took| u64::try_from(took.as_millis()).ok()),
    };
    record.steps = plan.steps.iter().enumerate().map(taken).collect();
}

/// Fills in what runs now, and keeps the receipt.
async fn keep(
    engine: &DockerEngine,
    stack: &Stack,
    plan: &Plan,
    options: &UpOptions,
    record: &mut Record,
) -> Result<()> {
    record.services = versions(engine, stack, plan, options).await?;
    record.migrated = migrated(engine, stack, plan, record).await?;
    if !engine.has_store(&stack.project).await? {
        engine.create_store(&stack.project).await?;
    }
    releases::write(engine, &stack.project, record).await
}

/// What each service runs now. The label of a container does not have what may be secret, so that the whole
/// specification is found among those that it can have been made from.
async fn versions(
    engine: &DockerEngine,
    stack: &Stack,
    plan: &Plan,
    options: &UpOptions,
) -> Result<BTreeMap<String, Version>> {
    let created = plan.steps.iter().filter_map(|planned| match &planned.step {
        Step::CreateContainer { spec, .. } => Some(ContainerSpec::clone(spec)),
        _ => None,
    });
    let asked = stack.services.values().map(|service| ContainerSpec::of(stack, service, 1));
    let earlier = releases::read(engine, &stack.project).await?;
    let earlier = earlier.into_iter().flat_map(|record| record.services.into_values().map(|version| version.spec));
    let known: BTreeMap<String, ContainerSpec> = created
        .chain(asked)
        .chain(options.pinned.values().cloned())
        .chain(earlier)
        .map(|spec| (spec.config_hash(), ContainerSpec { number: 1, ..spec }))
        .collect();
    let mut versions: BTreeMap<String, Version> = BTreeMap::new();
    for container in engine.containers(&stack.project).await? {
        let is_one_shot = stack.services.get(&container.service).is_none_or(|service| is_meant_to_end(stack, service));
        let release = container.release.unwrap_or(0);
        let is_newer = versions.get(&container.service).is_none_or(|version| version.release < release);
        if is_one_shot || container.state != State::Running || !is_newer {
            continue;
        }
        let Some(spec) = container.config_hash.as_ref().and_then(|hash| known.get(hash)).cloned() else { continue };
        let schema = engine.image(&container.image_id).await?.and_then(|image| Schema::of(&image.labels));
        let version = Version { release, image_id: container.image_id, spec, schema };
        let _ = versions.insert(container.service, version);
    }
    Ok(versions)
}

/// What ran to its end in this change, and says that it knows a schema.
async fn migrated(engine: &DockerEngine, stack: &Stack, plan: &Plan, record: &Record) -> Result<Vec<Migrated>> {
    let ran = plan.steps.iter().zip(&record.steps).filter_map(|(planned, taken)| match &planned.step {
        Step::StartContainer { name } if taken.took_ms.is_some() => Some(name.as_str()),
        _ => None,
    });
    let ran: BTreeSet<&str> = ran.collect();
    let mut migrated = Vec::new();
    for service in stack.services.values().filter(|service| is_meant_to_end(stack, service)) {
        let name = service.container_name(&stack.project, 1);
        if ran.contains(name.as_str()) || ran.contains(format!("{name}-next").as_str()) {
            let image = service.image_reference();
            let schema = engine.image(&image).await?.and_then(|found| Schema::of(&found.labels));
            migrated.extend(schema.map(|schema| Migrated { image: without_tag(&image).to_owned(), schema }));
        }
    }
    Ok(migrated)
}

type Counts = BTreeMap<String, serde_json::Value>;

/// What the edges of a plan have counted. One that does not answer counts nothing.
async fn counts(engine: &DockerEngine, stack: &Stack, plan: &Plan) -> Counts {
    let mut counts = Counts::new();
    if !plan.steps.iter().any(|planned| matches!(planned.step, Step::RouteRequests { .. })) {
        return counts;
    }
    for edge in stack.services.values().filter(|service| stack.is_edge(&service.name)) {
        let container = edge.container_name(&stack.project, 1);
        if let Ok(EdgeReply::Ledger(ledger)) = engine.ask_edge(&container, &EdgeAsk::Ledger).await {
            let _ = counts.insert(edge.name.clone(), ledger);
        }
    }
    counts
}

/// What was counted between two moments: every number, less what it was.
fn since(before: &Counts, after: &Counts) -> serde_json::Value {
    let nothing = serde_json::Value::Null;
    let all = after.iter().map(|(edge, now)| (edge.clone(), less(now, before.get(edge).unwrap_or(&nothing))));
    serde_json::Value::Object(all.collect())
}

fn less(now: &serde_json::Value, before: &serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match now {
        Value::Object(fields) => {
            let each = fields.iter().map(|(name, value)| (name.clone(), less(value, &before[name])));
            Value::Object(each.collect())
        }
        Value::Array(items) => {
            Value::Array(items.iter().enumerate().map(|(index, item)| less(item, &before[index])).collect())
        }
        Value::Number(number) => {
            json!(number.as_u64().unwrap_or(0).saturating_sub(before.as_u64().unwrap_or(0)))
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_meanwhile_is_what_is_there_less_what_was() {
        let ledger = |answered: u64| json!({"app": {"1": {"answered": answered, "latency": [answered, 0]}}});
        let before = Counts::from([("edge".to_owned(), ledger(5))]);
        let after = Counts::from([("edge".to_owned(), ledger(12)), ("other".to_owned(), ledger(3))]);
        let expected = json!({"edge": ledger(7), "other": ledger(3)});
        assert_eq!(since(&before, &after), expected);
        // An edge that was started anew counts from nothing.
        assert_eq!(since(&after, &before), json!({"edge": ledger(0)}));
    }
}
