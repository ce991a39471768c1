//! `plan`: what `up` would do, and why.

use mainstay_plan::plan::Plan;
use mainstay_plan::planner::{UpOptions, plan_up};
use mainstay_plan::stack::Stack;

use super::{connect, load_stack};
use crate::cli::{Globals, PlanArgs};
use crate::engine::Engine;
use crate::error::Result;
use crate::exit::ExitStatus;
use crate::observe::observe;
use crate::report;

pub(super) async fn run(globals: &Globals, args: &PlanArgs) -> Result<ExitStatus> {
    let stack = load_stack(globals)?.stack;
    let engine = connect().await?;
    let plan = make(&engine, &stack, &options(args)).await?;
    match globals.json {
        true => report::json_line(&mainstay_plan::redact::json(&plan)),
        false => report::data(&plan.to_string()),
    }
    Ok(if plan.is_empty() { ExitStatus::Success } else { ExitStatus::Changes })
}

/// What a person asked of the planner.
pub(super) fn options(args: &PlanArgs) -> UpOptions {
    UpOptions {
        rebuild: args.rebuild,
        pull: args.pull,
        images_are_new: false,
        force_recreate: args.force_recreate,
        remove_orphans: args.remove_orphans,
    }
}

/// Observes and plans.
pub(super) async fn make(engine: &impl Engine, stack: &Stack, options: &UpOptions) -> Result<Plan> {
    let observed = observe(engine, stack).await?;
    Ok(plan_up(stack, &observed, options)?)
}
