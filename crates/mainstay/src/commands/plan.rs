//! `plan`: what `up` would do, and why.

use mainstay_plan::planner::{UpOptions, plan_up};

use super::{connect, deploy, load_stack, scale};
use crate::cli::{Globals, PlanArgs, PreviewArgs};
use crate::error::Result;
use crate::exit::ExitStatus;
use crate::observe::observe;
use crate::report;

pub(super) async fn run(globals: &Globals, args: &PreviewArgs) -> Result<ExitStatus> {
    let mut stack = load_stack(globals)?.stack;
    let engine = connect().await?;
    scale::apply(&engine, &mut stack).await?;
    let only = deploy::only(&stack, &args.services)?;
    let options = UpOptions { only, ..options(&args.plan) };
    let plan = plan_up(&stack, &observe(&engine, &stack).await?, &options)?;
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
        ..UpOptions::default()
    }
}
