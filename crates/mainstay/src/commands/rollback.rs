//! `rollback`: back to an earlier release, by the images and the specifications that it was made from.

use std::collections::{BTreeMap, BTreeSet};

use mainstay_plan::planner::{UpOptions, is_meant_to_end};
use mainstay_plan::spec::ContainerSpec;

use super::change::{self, Change, Made};
use super::turn::{self, Turn};
use super::{connect, deploy, load_model, scale};
use crate::cli::{Globals, RollbackArgs};
use crate::engine::Engine;
use crate::engine::docker::DockerEngine;
use crate::error::{Error, Result};
use crate::exit::ExitStatus;
use crate::load::Loaded;
use crate::releases::{self, Record, back};
use crate::report;

pub(super) async fn run(globals: &Globals, args: &RollbackArgs) -> Result<ExitStatus> {
    // The file as it is tells only names and numbers: what is gone back to is in the engine.
    let mut loaded = load_model(globals)?;
    let engine = connect().await?;
    let turn = turn::take(&engine, &loaded.stack.project, "rollback").await?;
    let made = go_back(globals, args, &engine, &mut loaded, &turn).await;
    turn.end().await;
    let made = made?;
    let is_back = matches!(made, Made::Done(_));
    let status = deploy::tell(globals, &loaded.stack, made);
    if is_back && !globals.json {
        report::talk(
            "the file still asks for what was left: mend it before the next `mainstay deploy` or `mainstay up`",
        );
    }
    Ok(status)
}

async fn go_back(
    globals: &Globals,
    args: &RollbackArgs,
    engine: &DockerEngine,
    loaded: &mut Loaded,
    turn: &Turn,
) -> Result<Made> {
    scale::apply(engine, &mut loaded.stack).await?;
    let records = releases::read(engine, &loaded.stack.project).await?;
    let to = back::find(&records, args.release)?;
    if let Some(why) = back::schema_moved(&records, to) {
        if !args.force {
            return Err(Error::new(format!("release {} cannot run on the database as it is now: {why}", to.number))
                .hint("mend it forward with a new release; `--force` goes back all the same"));
        }
        report::warning(&why);
    }
    let only = deploy::only(&loaded.stack, &args.services)?;
    let pinned = pinned(engine, loaded, to, only.as_ref()).await?;
    if !globals.json {
        report::talk(&format!("{}: back to release {} ({}, {})", loaded.stack.project, to.number, to.began, to.verb));
    }
    let change = Change {
        verb: format!("rollback {}", to.number),
        options: UpOptions {
            only: Some(pinned.keys().cloned().collect()),
            // At three in the morning the old release is what is known to work.
            watch_ms: Some(args.watch.unwrap_or(0)),
            pinned,
            ..UpOptions::default()
        },
        yes: true,
        back_to: Some(to.number),
    };
    change::make(globals, engine, loaded, turn, change).await
}

/// What each service is to be made from: by the image's content, since its tag may name another one now.
pub(super) async fn pinned(
    engine: &DockerEngine,
    loaded: &Loaded,
    to: &Record,
    only: Option<&BTreeSet<String>>,
) -> Result<BTreeMap<String, ContainerSpec>> {
    let stack = &loaded.stack;
    let mut pinned = BTreeMap::new();
    for (name, version) in &to.services {
        let Some(service) = stack.services.get(name) else { continue };
        // Data does not go back with the program: a database is restored, not rolled back.
        let is_asked = only.map_or_else(
            || (service.edge.is_some() || service.holds_state().is_none()) && !is_meant_to_end(stack, service),
            |only| only.contains(name),
        );
        if !is_asked {
            continue;
        }
        let by_name = engine.image(&version.spec.image).await?.filter(|image| image.id == version.image_id);
        let image = match by_name {
            Some(_) => version.spec.image.clone(),
            None if engine.image(&version.image_id).await?.is_some() => version.image_id.clone(),
            None => {
                return Err(Error::new(format!(
                    "the image of `{name}` in release {} is gone: {} ({})",
                    to.number, version.spec.image, version.image_id
                ))
                .hint(
                    "check out its commit and run `mainstay deploy`; `mainstay prune --keep` says how many are kept",
                ));
            }
        };
        let _ = pinned.insert(name.clone(), ContainerSpec { image, ..version.spec.clone() });
    }
    match pinned.is_empty() {
        true => Err(Error::new(format!("release {} has nothing that could be gone back to", to.number))
            .hint("`mainstay releases` shows what each one ran")),
        false => Ok(pinned),
    }
}
