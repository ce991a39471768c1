//! `up`: from whatever is there to what the file asks for.

use std::time::Instant;

use mainstay_plan::plan::{Downtime, Plan};
use mainstay_plan::planner::{UpOptions, plan_images};
use mainstay_plan::stack::{PullPolicy, Stack};
use serde_json::json;

use super::{ask, carry_out, connect, load_stack, plan, status, turn};
use crate::cli::{Globals, UpArgs};
use crate::doctor;
use crate::engine::docker::DockerEngine;
use crate::error::{Error, Result};
use crate::execute::Outcome;
use crate::exit::ExitStatus;
use crate::load::Loaded;
use crate::observe::observe;
use crate::report;

pub(super) async fn run(globals: &Globals, args: &UpArgs) -> Result<ExitStatus> {
    let begun = Instant::now();
    let loaded = load_stack(globals)?;
    let stack = &loaded.stack;
    let engine = connect().await?;
    let _turn = turn::take(&stack.project).await?;
    let mut options = plan::options(&args.plan);
    if brings_new_images(stack, &options) {
        // What a reference names is known only once it was pulled or built.
        if let Some(status) = refresh_images(globals, &engine, &loaded, &options).await? {
            return Ok(status);
        }
        options = UpOptions { rebuild: false, pull: false, images_are_new: true, ..options };
    }
    let plan = plan::make(&engine, stack, &options).await?;
    if !plan.is_empty() {
        preflight(&engine, stack, &plan).await?;
    }
    if plan.is_destructive() {
        ask::consent(&format!("this {}", plan.downtime), args.yes)?;
    }
    announce(globals, &plan);
    match carry_out(&engine, &loaded, &plan, globals.format()).await {
        Outcome::Done => finish(globals, &engine, stack, &plan, begun).await,
        Outcome::Failed(error) => Err(and_again(error)),
        Outcome::Interrupted => {
            report::talk("interrupted; `mainstay up` goes on from here");
            Ok(ExitStatus::Interrupted)
        }
    }
}

fn brings_new_images(stack: &Stack, options: &UpOptions) -> bool {
    options.rebuild || options.pull || stack.services.values().any(|service| service.pull_policy == PullPolicy::Always)
}

/// Pulls and builds; the answer is how it ended, where it did not end well.
async fn refresh_images(
    globals: &Globals,
    engine: &DockerEngine,
    loaded: &Loaded,
    options: &UpOptions,
) -> Result<Option<ExitStatus>> {
    let images = plan_images(&loaded.stack, &observe(engine, &loaded.stack).await?, options)?;
    match carry_out(engine, loaded, &images, globals.format()).await {
        Outcome::Done => Ok(None),
        Outcome::Failed(error) => Err(and_again(error)),
        Outcome::Interrupted => Ok(Some(ExitStatus::Interrupted)),
    }
}

fn and_again(error: Error) -> Error {
    let hint = error.hint.clone().unwrap_or_else(|| "mend it".to_owned());
    error.hint(format!("{hint}; `mainstay up` then goes on from here"))
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

async fn finish(
    globals: &Globals,
    engine: &DockerEngine,
    stack: &Stack,
    plan: &Plan,
    begun: Instant,
) -> Result<ExitStatus> {
    let replicas = status::observe(engine, stack).await?;
    if globals.json {
        let took_ms = begun.elapsed().as_millis();
        report::json_line(
            &json!({"event": "up", "changed": !plan.is_empty(), "took_ms": took_ms, "containers": replicas}),
        );
        return Ok(ExitStatus::Success);
    }
    let took = report::seconds(begun.elapsed());
    match plan.is_empty() {
        true => report::talk(&format!("{}: nothing to do, all is as the file asks ({took})", stack.project)),
        false => report::talk(&format!("{}: {} ({took})", stack.project, report::paint(report::GREEN, "up"))),
    }
    report::data(&status::table(&replicas));
    if let Some(url) = status::front_door(&replicas) {
        report::talk(&format!("\n{}  {url}", report::paint(report::BOLD, "open")));
        report::talk("try   mainstay status | mainstay logs -f | mainstay doctor | mainstay down");
    }
    Ok(ExitStatus::Success)
}
