//! `status`: what runs, where, and since when.

use futures_util::future::try_join_all;
use mainstay_plan::observed::{Health, ObservedContainer, State};
use mainstay_plan::stack::Stack;
use serde::Serialize;

use super::{connect, load_model};
use crate::cli::Globals;
use crate::engine::Engine;
use crate::error::Result;
use crate::exit::ExitStatus;
use crate::report::{self, table};

/// One container, for a person or a program.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Replica {
    name: String,
    service: String,
    state: String,
    image: String,
    networks: Vec<String>,
    ports: Vec<String>,
    since: String,
}

pub(super) async fn run(globals: &Globals) -> Result<ExitStatus> {
    let stack = load_model(globals)?.stack;
    let engine = connect().await?;
    let replicas = observe(&engine, &stack).await?;
    if globals.json {
        replicas.iter().for_each(report::json_line);
    } else if replicas.is_empty() {
        report::talk(&format!("{}: nothing runs; `mainstay up` brings it up", stack.project));
    } else {
        report::data(&table(&replicas));
    }
    Ok(ExitStatus::Success)
}

/// The project's containers as they are now.
pub(super) async fn observe(engine: &impl Engine, stack: &Stack) -> Result<Vec<Replica>> {
    let containers = crate::observe::containers(engine, &stack.project).await?;
    let replicas = containers.into_iter().map(|container| async move {
        let found = engine.inspect_container(&container.name).await?;
        let (ports, since) = found.map(|found| (found.ports, found.started_at)).unwrap_or_default();
        Ok(Replica {
            state: state(&container),
            image: container.spec.as_ref().map(|spec| spec.image.clone()).unwrap_or_default(),
            networks: container.networks,
            name: container.name,
            service: container.service,
            ports,
            since,
        })
    });
    try_join_all(replicas).await
}

fn state(container: &ObservedContainer) -> String {
    match (container.state, container.health) {
        (State::Running, Health::None) => "running".to_owned(),
        (State::Running, Health::Starting) => "running (not ready)".to_owned(),
        (State::Running, Health::Healthy) => "running (healthy)".to_owned(),
        (State::Running, Health::Unhealthy) => "running (UNHEALTHY)".to_owned(),
        (State::Exited { code: 0 }, _) => "completed".to_owned(),
        (State::Exited { code }, _) => format!("ended with {code}"),
        (State::Created, _) => "not started".to_owned(),
        (State::Paused, _) => "paused".to_owned(),
        (State::Restarting, _) => "restarting".to_owned(),
        (State::Dead, _) => "dead".to_owned(),
    }
}

pub(super) fn table(replicas: &[Replica]) -> String {
    let row = |replica: &Replica| {
        let since = replica.since.split('.').next().unwrap_or_default().replace('T', " ");
        let since = if since.starts_with("0001") { String::new() } else { since };
        vec![replica.name.clone(), replica.state.clone(), since, replica.networks.join(", "), replica.ports.join(", ")]
    };
    let rows: Vec<Vec<String>> = replicas.iter().map(row).collect();
    table::columns(&["CONTAINER", "STATE", "SINCE (UTC)", "NETWORKS", "PORTS"], &rows)
}

/// The first address that a browser can open.
pub(super) fn front_door(replicas: &[Replica]) -> Option<String> {
    let tcp = replicas.iter().flat_map(|replica| &replica.ports).find(|port| port.ends_with("/tcp"))?;
    let address = tcp.split("->").next()?;
    let port = address.rsplit(':').next()?;
    let host = address.strip_suffix(&format!(":{port}"))?;
    let host = if ["0.0.0.0", "[::]", ""].contains(&host) { "localhost" } else { host };
    Some(format!("http://{host}:{port}"))
}
