//! `build`: the images alone. It prints each service with its image.

use mainstay_plan::planner::{UpOptions, plan_images};
use serde_json::json;

use super::{carry_out, connect, load_stack};
use crate::cli::{BuildArgs, Globals};
use crate::error::Result;
use crate::execute::Outcome;
use crate::exit::ExitStatus;
use crate::observe::observe;
use crate::report;

pub(super) async fn run(globals: &Globals, args: &BuildArgs) -> Result<ExitStatus> {
    let loaded = load_stack(globals)?;
    let stack = &loaded.stack;
    let engine = connect().await?;
    let observed = observe(&engine, stack).await?;
    let options = UpOptions { rebuild: args.rebuild, pull: args.pull, ..UpOptions::default() };
    let plan = plan_images(stack, &observed, &options)?;
    match carry_out(&engine, &loaded, &plan, globals.format()).await {
        Outcome::Done => {}
        Outcome::Failed(error) => return Err(error),
        Outcome::Interrupted => return Ok(ExitStatus::Interrupted),
    }
    for service in stack.services.values() {
        let (name, image) = (&service.name, service.image_reference());
        match globals.json {
            true => report::json_line(&json!({"service": name, "image": image})),
            false => report::data(&format!("{name} {image}\n")),
        }
    }
    Ok(ExitStatus::Success)
}
