//! Reads the engine: all that a plan may depend on, in one look.

use futures_util::future::try_join_all;
use mainstay_plan::observed::{Health, Observed, ObservedContainer, State};
use mainstay_plan::stack::Stack;

use crate::engine::Engine;
use crate::error::Result;

/// What the engine has, as far as this stack is concerned.
///
/// # Errors
///
/// The engine does not answer, or answers with an error.
pub(crate) async fn observe(engine: &impl Engine, stack: &Stack) -> Result<Observed> {
    let project = stack.project.as_str();
    let (mut images, networks, volumes, containers, foreign_names, store_ready) = tokio::try_join!(
        engine.images(),
        engine.networks(),
        engine.volumes(),
        containers(engine, project),
        engine.foreign_names(project),
        engine.has_store(project),
    )?;
    let wanted = stack.services.values().map(mainstay_plan::stack::Service::image_reference);
    let details = wanted.map(|image| async move { engine.image(&image).await.map(|found| (found, image)) });
    for (found, image) in try_join_all(details).await? {
        if let Some(found) = found {
            images.insert(image, found);
        }
    }
    Ok(Observed { images, networks, volumes, containers, foreign_names, store_ready })
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
