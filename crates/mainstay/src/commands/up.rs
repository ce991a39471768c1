//! `up`: from whatever is there to what the file asks for.

use std::time::Instant;

use serde_json::json;

use super::change::{self, Change, Made};
use super::{connect, load_stack, plan, scale, status, turn};
use crate::cli::{Globals, UpArgs};
use crate::engine::docker::DockerEngine;
use crate::error::Result;
use crate::exit::ExitStatus;
use crate::load::Loaded;
use crate::report;

pub(super) async fn run(globals: &Globals, args: &UpArgs) -> Result<ExitStatus> {
    let begun = Instant::now();
    let mut loaded = load_stack(globals)?;
    let engine = connect().await?;
    let turn = turn::take(&engine, &loaded.stack.project, "up").await?;
    let made = bring_up(globals, args, &engine, &mut loaded, &turn).await;
    turn.end().await;
    match made? {
        Made::Interrupted => {
            report::talk("interrupted; `mainstay up` goes on from here");
            Ok(ExitStatus::Interrupted)
        }
        made => finish(globals, &engine, &loaded, &made, begun).await,
    }
}

async fn bring_up(
    globals: &Globals,
    args: &UpArgs,
    engine: &DockerEngine,
    loaded: &mut Loaded,
    turn: &turn::Turn,
) -> Result<Made> {
    scale::apply(engine, &mut loaded.stack).await?;
    let change = Change { verb: "up".to_owned(), options: plan::options(&args.plan), yes: args.yes, back_to: None };
    change::make(globals, engine, loaded, turn, change).await
}

async fn finish(
    globals: &Globals,
    engine: &DockerEngine,
    loaded: &Loaded,
    made: &Made,
    begun: Instant,
) -> Result<ExitStatus> {
    let stack = &loaded.stack;
    let changed = !matches!(made, Made::Nothing);
    let replicas = status::observe(engine, stack).await?;
    if globals.json {
        let took_ms = begun.elapsed().as_millis();
        report::json_line(&json!({"event": "up", "changed": changed, "took_ms": took_ms, "containers": replicas}));
        return Ok(ExitStatus::Success);
    }
    let took = report::seconds(begun.elapsed());
    match changed {
        false => report::talk(&format!("{}: nothing to do, all is as the file asks ({took})", stack.project)),
        true => report::talk(&format!("{}: {} ({took})", stack.project, report::paint(report::GREEN, "up"))),
    }
    report::data(&status::table(&replicas));
    if let Some(url) = status::front_door(&replicas) {
        report::talk(&format!("\n{}  {url}", report::paint(report::BOLD, "open")));
        report::talk("try   mainstay status | mainstay logs -f | mainstay doctor | mainstay down");
    }
    Ok(ExitStatus::Success)
}
