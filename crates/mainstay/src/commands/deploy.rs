//! `deploy`: ships what changed. New replicas start beside the old ones, are watched, and give way where they do worse.

use std::collections::BTreeSet;

use mainstay_plan::planner::UpOptions;
use mainstay_plan::stack::Stack;
use serde_json::json;

use super::change::{self, Change, Made};
use super::turn::{self, Turn};
use super::{connect, load_stack, releases, scale};
use crate::cli::{DeployArgs, Globals};
use crate::engine::docker::DockerEngine;
use crate::error::{Error, Result};
use crate::exit::ExitStatus;
use crate::load::Loaded;
use crate::report;

pub(super) async fn run(globals: &Globals, args: &DeployArgs) -> Result<ExitStatus> {
    let mut loaded = load_stack(globals)?;
    let verb = format!("deploy {}", args.services.join(" ")).trim_end().to_owned();
    let change = Change {
        options: UpOptions {
            rebuild: args.rebuild,
            pull: args.pull,
            force_recreate: args.force_recreate,
            only: only(&loaded.stack, &args.services)?,
            watch_ms: args.watch,
            ..UpOptions::default()
        },
        verb,
        yes: args.yes,
        back_to: None,
    };
    let engine = connect().await?;
    let turn = turn::take(&engine, &loaded.stack.project, &change.verb).await?;
    let made = ship(globals, &engine, &mut loaded, &turn, change).await;
    turn.end().await;
    Ok(tell(globals, &loaded.stack, made?))
}

async fn ship(
    globals: &Globals,
    engine: &DockerEngine,
    loaded: &mut Loaded,
    turn: &Turn,
    change: Change,
) -> Result<Made> {
    scale::apply(engine, &mut loaded.stack).await?;
    change::make(globals, engine, loaded, turn, change).await
}

/// The services that were named; none where all are meant.
///
/// # Errors
///
/// There is no such service.
pub(super) fn only(stack: &Stack, names: &[String]) -> Result<Option<BTreeSet<String>>> {
    if let Some(unknown) = names.iter().find(|name| !stack.services.contains_key(*name)) {
        let known: Vec<&str> = stack.services.keys().map(String::as_str).collect();
        return Err(
            Error::new(format!("there is no service `{unknown}`")).hint(format!("there is {}", known.join(", ")))
        );
    }
    Ok((!names.is_empty()).then(|| names.iter().cloned().collect()))
}

/// Says how it went.
pub(super) fn tell(globals: &Globals, stack: &Stack, made: Made) -> ExitStatus {
    let project = &stack.project;
    match made {
        Made::Interrupted => {
            report::talk("interrupted: what serves now is shown by `mainstay status`");
            ExitStatus::Interrupted
        }
        Made::Nothing => {
            match globals.json {
                true => report::json_line(&json!({"event": "released", "changed": false})),
                false => report::talk(&format!("{project}: nothing to do, all is as the file asks")),
            }
            ExitStatus::Success
        }
        Made::Done(record) if globals.json => {
            report::json_line(&json!({"event": "released", "changed": true, "release": releases::shown(&record)}));
            ExitStatus::Success
        }
        Made::Done(record) => {
            let number = report::paint(report::GREEN, &format!("release {}", record.number));
            report::talk(&format!("{project}: {number}: {}", releases::summary(&record)));
            if record.back_to.is_none() {
                report::talk("try   mainstay releases | mainstay rollback");
            }
            ExitStatus::Success
        }
    }
}
