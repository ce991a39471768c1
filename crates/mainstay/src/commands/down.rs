//! `down`: takes everything away; with `--volumes` the data as well.

use mainstay_plan::planner::{DownOptions, plan_down};

use super::{ask, carry_out, connect, load_model, turn};
use crate::cli::{DownArgs, Globals};
use crate::error::Result;
use crate::execute::Outcome;
use crate::exit::ExitStatus;
use crate::observe::observe;
use crate::report;

pub(super) async fn run(globals: &Globals, args: &DownArgs) -> Result<ExitStatus> {
    let loaded = load_model(globals)?;
    let stack = &loaded.stack;
    let engine = connect().await?;
    let _turn = turn::take(&stack.project).await?;
    let observed = observe(&engine, stack).await?;
    let plan = plan_down(stack, &observed, DownOptions { volumes: args.volumes });
    if plan.is_empty() {
        report::talk(&format!("{}: nothing is there", stack.project));
        return Ok(ExitStatus::Success);
    }
    if plan.is_destructive() {
        ask::consent(&format!("{}: this {}", stack.project, plan.downtime), args.yes)?;
    }
    match carry_out(&engine, &loaded, &plan, globals.format()).await {
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
