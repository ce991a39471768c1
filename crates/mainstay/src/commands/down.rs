//! `down`: takes everything away; with `--volumes` the data as well.

use mainstay_plan::planner::{DownOptions, plan_down};

use super::{ask, carry_out_to, connect, load_model, signals, turn};
use crate::cli::{DownArgs, Globals};
use crate::engine::docker::DockerEngine;
use crate::error::Result;
use crate::execute::Outcome;
use crate::exit::ExitStatus;
use crate::load::Loaded;
use crate::observe::observe;
use crate::report;

pub(super) async fn run(globals: &Globals, args: &DownArgs) -> Result<ExitStatus> {
    let loaded = load_model(globals)?;
    let stack = &loaded.stack;
    let engine = connect().await?;
    let turn = turn::take(&engine, &stack.project, "down").await?;
    let status = take_down(globals, args, &engine, &loaded, &turn).await;
    turn.end().await;
    status
}

async fn take_down(
    globals: &Globals,
    args: &DownArgs,
    engine: &DockerEngine,
    loaded: &Loaded,
    turn: &turn::Turn,
) -> Result<ExitStatus> {
    let stack = &loaded.stack;
    let observed = observe(engine, stack).await?;
    let plan = plan_down(stack, &observed, DownOptions { volumes: args.volumes });
    if plan.is_empty() {
        report::talk(&format!("{}: nothing is there", stack.project));
        return Ok(ExitStatus::Success);
    }
    if plan.is_destructive() {
        ask::consent(&format!("{}: this {}", stack.project, plan.downtime), args.yes)?;
    }
    let sink = report::Sink::new(&plan, globals.format());
    match carry_out_to(engine, loaded, &plan, &sink, signals::stop_or(turn.lost())).await {
        Outcome::Done => {
            let kept = if args.volumes { "" } else { "; volumes and their data are kept" };
            report::talk(&format!("{}: down{kept}", stack.project));
            Ok(ExitStatus::Success)
        }
        Outcome::Failed(error) => Err(error),
        Outcome::Interrupted => {
            report::talk("interrupted; `mainstay down` goes on from here");
            Ok(ExitStatus::Interrupted)
        }
    }
}
