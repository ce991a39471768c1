//! Reads the engine: all that a plan may depend on, in one look.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use mainstay_plan::observed::{Health, Observed, ObservedContainer, Routed, State};
use mainstay_plan::stack::Stack;

use crate::engine::{EdgeAsk, EdgeReply, Engine};
use crate::error::Result;
use crate::releases;

/// What the engine has, as far as this stack is concerned.
///
/// # Errors
///
/// The engine does not answer, or answers with an error.
pub(crate) async fn observe(engine: &impl Engine, stack: &Stack) -> Result<Observed> {
    let project = stack.project.as_str();
    let (mut images, networks, volumes, containers, foreign_names, store_ready, edges, records) = tokio::try_join!(
        engine.images(),
        engine.networks(),
        engine.volumes(),
        containers(engine, project),
        engine.foreign_names(project),
        engine.has_store(project),
        edges(engine, stack),
        releases::read(engine, project),
    )?;
    let wanted = stack.services.values().map(mainstay_plan::stack::Service::image_reference);
    let details = wanted.map(|image| async move { engine.image(&image).await.map(|found| (found, image)) });
    for (found, image) in try_join_all(details).await? {
        if let Some(found) = found {
            images.insert(image, found);
        }
    }
    let known = containers.iter().filter_map(|container| container.release);
    let next_release = known.chain(records.iter().map(|record| record.number)).max().unwrap_or(0) + 1;
    Ok(Observed { images, networks, volumes, containers, foreign_names, store_ready, edges, next_release })
}

/// What each edge says. One that does not answer is no error: a plan tells it everything anew.
async fn edges(engine: &impl Engine, stack: &Stack) -> Result<BTreeMap<String, BTreeMap<String, Routed>>> {
    let edges = stack.services.values().filter(|service| stack.is_edge(&service.name));
    let asked = edges.map(|edge| async move {
        let container = edge.container_name(&stack.project, 1);
        let runs = engine.inspect_container(&container).await?.is_some_and(|found| found.state == State::Running);
        Ok::<_, crate::error::Error>(match runs {
            true => engine.ask_edge(&container, &EdgeAsk::Targets).await.ok().map(|reply| (edge.name.clone(), reply)),
            false => None,
        })
    });
    let answers = try_join_all(asked).await?.into_iter().flatten();
    Ok(answers
        .filter_map(|(name, reply)| match reply {
            EdgeReply::Targets(services) => Some((name, services)),
            _ => None,
        })
        .collect())
}

/// The project's containers, with their health as it is now.
///
/// # Errors
///
/// As [`observe`].
pub(crate) async fn containers(engine: &impl Engine, project: &str) -> Result<Vec<ObservedContainer>> {
    let mut containers = engine.containers(project).await?;
    let starting = containers.iter_mut().filter(|c| c.state == State::Running && c.health == Health::Starting);
    try_join_all(starting.map(|container| settle(engine, &container.name, &mut container.health))).await?;
    Ok(containers)
}

/// The engine says "starting" until its first probe, which may be half a minute
/// away. One probe of ours tells what is so now.
async fn settle(engine: &impl Engine, name: &str, health: &mut Health) -> Result<()> {
    let probe = engine.inspect_container(name).await?.and_then(|found| found.probe);
    if let Some(probe) = probe
        && engine.probe(name, &probe.argv, probe.timeout_ms).await.is_ok_and(|result| result.passed)
    {
        *health = Health::Healthy;
    }
    Ok(())
}
