//! `scale`: more or fewer replicas than the file says, until it says so itself. The number lives in the engine, so that
//! the next `deploy`, of whichever machine, keeps it.

use std::collections::BTreeMap;

use mainstay_plan::planner::UpOptions;
use mainstay_plan::spec::StoreFile;
use mainstay_plan::stack::Stack;

use super::change::{self, Change, Made};
use super::turn::{self, Turn};
use super::{connect, deploy, load_stack, rollback};
use crate::cli::{Globals, ScaleArgs};
use crate::engine::Engine;
use crate::engine::docker::DockerEngine;
use crate::error::{Error, Result};
use crate::exit::ExitStatus;
use crate::load::Loaded;
use crate::{releases, report};

const FILE: &str = "scale.json";

/// More replicas on one box are a slip of the keyboard; as in the file.
const MOST_REPLICAS: u32 = 100;

type Scale = BTreeMap<String, u32>;

pub(super) async fn run(globals: &Globals, args: &ScaleArgs) -> Result<ExitStatus> {
    let mut loaded = load_stack(globals)?;
    for (name, number) in &args.services {
        check(&loaded.stack, name, *number)?;
    }
    let engine = connect().await?;
    let words: Vec<String> = args.services.iter().map(|(name, number)| format!("{name}={number}")).collect();
    let verb = format!("scale {}", words.join(" "));
    let turn = turn::take(&engine, &loaded.stack.project, &verb).await?;
    let made = scale(globals, args, &engine, &mut loaded, &turn, verb).await;
    turn.end().await;
    Ok(deploy::tell(globals, &loaded.stack, made?))
}

async fn scale(
    globals: &Globals,
    args: &ScaleArgs,
    engine: &DockerEngine,
    loaded: &mut Loaded,
    turn: &Turn,
    verb: String,
) -> Result<Made> {
    let project = loaded.stack.project.clone();
    let before = read(engine, &project).await?;
    let mut after = before.clone();
    for (name, number) in &args.services {
        // What the file says itself needs nobody else to say it.
        match loaded.stack.services.get(name).is_some_and(|service| service.replicas == *number) {
            true => drop(after.remove(name)),
            false => drop(after.insert(name.clone(), *number)),
        }
    }
    lay_over(&mut loaded.stack, &after);
    let names: Vec<String> = args.services.iter().map(|(name, _)| name.clone()).collect();
    let only = deploy::only(&loaded.stack, &names)?;
    // The number changes and nothing else: after a rollback the file asks for what was left.
    let records = releases::read(engine, &project).await?;
    let newest = records.iter().rev().find(|record| names.iter().all(|name| record.services.contains_key(name)));
    let pinned = match newest {
        Some(record) => rollback::pinned(engine, loaded, record, only.as_ref()).await?,
        None => BTreeMap::new(),
    };
    let options = UpOptions { only, pinned, ..UpOptions::default() };
    let made = change::make(globals, engine, loaded, turn, Change { verb, options, yes: false, back_to: None }).await?;
    if before != after && !matches!(made, Made::Interrupted) {
        write(engine, &project, &after).await?;
    }
    Ok(made)
}

fn check(stack: &Stack, name: &str, number: u32) -> Result<()> {
    let names = [name.to_owned()];
    deploy::only(stack, &names)?;
    let service = &stack.services[name];
    if number > MOST_REPLICAS {
        return Err(Error::new(format!("{number} replicas of `{name}` are more than {MOST_REPLICAS}")));
    }
    match service.holds_state() {
        // Where the file asks for several, it says itself that they can.
        Some(why) if number > 1 && !service.several => {
            Err(Error::new(format!("service `{name}` cannot have {number} replicas: {why}"))
                .hint("a service that holds state has one"))
        }
        _ if number > 1 && service.container_name.is_some() => {
            Err(Error::new(format!("service `{name}` cannot have {number} replicas: its `container_name` is one name"))
                .hint("take `container_name` away"))
        }
        _ => Ok(()),
    }
}

/// Lays the numbers that were asked for over the file's, and says where they differ.
///
/// # Errors
///
/// The store cannot be read.
pub(super) async fn apply(engine: &impl Engine, stack: &mut Stack) -> Result<()> {
    let scale = read(engine, &stack.project).await?;
    for (name, number) in &scale {
        if let Some(service) = stack.services.get(name).filter(|service| service.replicas != *number) {
            let file = service.replicas;
            report::warning(&format!(
                "service `{name}` has {number} replicas by `mainstay scale`, and the file says {file}; `mainstay scale {name}={file}` ends that"
            ));
        }
    }
    lay_over(stack, &scale);
    Ok(())
}

fn lay_over(stack: &mut Stack, scale: &Scale) {
    for (name, number) in scale {
        if let Some(service) = stack.services.get_mut(name) {
            service.replicas = *number;
        }
    }
}

async fn read(engine: &impl Engine, project: &str) -> Result<Scale> {
    if !engine.has_store(project).await? {
        return Ok(Scale::new());
    }
    let content = engine.read_stored(project, FILE).await?;
    // One that cannot be read says nothing: the file's numbers hold.
    Ok(content.and_then(|content| serde_json::from_slice(&content).ok()).unwrap_or_default())
}

async fn write(engine: &impl Engine, project: &str, scale: &Scale) -> Result<()> {
    let content = serde_json::to_vec(scale).map_err(|error| Error::new(format!("write the scale: {error}")))?;
    let file = StoreFile { name: FILE.to_owned(), uid: 0, gid: 0, mode: 0o600 };
    engine.write_stored(project, &file, &content).await
}
