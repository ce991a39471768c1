//! Networks, volumes, and the store of secrets and configs.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::Draft;
use super::{PlanError, UpOptions};
use crate::labels;
use crate::observed::{Observed, ObservedContainer, State};
use crate::plan::{FileKind, Step, StepId};
use crate::spec::{StoreFile, is_redefined};
use crate::stack::{FileGrant, FileOrigin, FileSource, Network, Service, Stack};

/// The name of a project's store of secrets and configs: a volume.
#[must_use]
pub fn store_volume(project: &str) -> String {
    format!("{project}_mainstay-store")
}

/// Names of containers that had to go because a network of theirs is made anew.
pub(super) type TornDown = BTreeMap<String, StepId>;

pub(super) fn plan(
    draft: &mut Draft,
    stack: &Stack,
    observed: &Observed,
    options: &UpOptions,
) -> Result<TornDown, PlanError> {
    let mut torn_down = TornDown::new();
    for (key, network) in &stack.networks {
        plan_network(draft, stack, observed, options, (key, network), &mut torn_down)?;
    }
    refuse_lost_secrets(stack, observed)?;
    // A volume comes after the secrets, so that one without the other is a loss and no interrupted run.
    let stored = plan_store(draft, stack, observed, options, &torn_down);
    plan_volumes(draft, stack, observed, &stored)?;
    Ok(torn_down)
}

/// Whether the labels say that a thing is this project's; also where Docker Compose made it.
pub(super) fn is_ours(labels: &BTreeMap<String, String>, project: &str) -> bool {
    [labels::PROJECT, labels::COMPOSE_PROJECT].iter().any(|label| labels.get(*label).is_some_and(|is| is == project))
}

fn plan_network(
    draft: &mut Draft,
    stack: &Stack,
    observed: &Observed,
    options: &UpOptions,
    (key, network): (&str, &Network),
    torn_down: &mut TornDown,
) -> Result<(), PlanError> {
    let name = &network.name;
    // The engine's own networks are always there.
    let existing = observed.networks.get(name);
    let create = Step::CreateNetwork { key: key.to_owned(), network: network.clone() };
    match existing {
        None if network.external => Err(PlanError::new(
            format!("network `{name}` is external, and the engine does not have it"),
            format!("make it with `docker network create {name}`, or take `external: true` away"),
        )),
        None => {
            let id = draft.add(create, "it is missing", &[]);
            draft.provide(name.clone(), id);
            Ok(())
        }
        Some(_) if network.external => Ok(()),
        Some(found) if !is_ours(&found.labels, draft.project()) => Err(PlanError::new(
            format!("network `{name}` is there already, and is not of project `{}`", draft.project()),
            "mark it `external: true` to use it, or give it another `name`",
        )),
        Some(found) => {
            // Docker Compose's networks carry no definition of ours: they are taken as they are.
            let redefined = is_redefined(found.labels.get(labels::DEFINITION), network);
            if redefined && options.only.is_some() {
                draft.warn(format!("the definition of network `{name}` changed; `mainstay up` makes it anew"));
            } else if redefined {
                refuse_with_strangers(stack, observed, name, &found.attached)?;
                let gone = tear_down(draft, observed, name, torn_down);
                let removed = draft.add(Step::RemoveNetwork { name: name.clone() }, "its definition changed", &gone);
                let id = draft.add(create, "its definition changed", &[removed]);
                draft.provide(name.clone(), id);
            }
            Ok(())
        }
    }
}

/// A network cannot be made anew under containers that this plan does not make anew.
fn refuse_with_strangers(
    stack: &Stack,
    observed: &Observed,
    network: &str,
    attached: &[String],
) -> Result<(), PlanError> {
    let is_ours =
        |name: &String| observed.containers.iter().any(|c| c.name == *name && stack.services.contains_key(&c.service));
    match attached.iter().find(|name| !is_ours(name)) {
        None => Ok(()),
        Some(stranger) => Err(PlanError::new(
            format!(
                "network `{network}` is to be made anew, and container `{stranger}` is on it, which this stack does not ask for"
            ),
            format!("stop it first: `docker stop {stranger}`"),
        )),
    }
}

/// Removes every container of a network, since a network in use cannot be replaced.
fn tear_down(draft: &mut Draft, observed: &Observed, network: &str, torn_down: &mut TornDown) -> Vec<StepId> {
    let members = observed.containers.iter().filter(|container| container.networks.iter().any(|on| on == network));
    let mut gone = Vec::new();
    for container in members {
        let id = match torn_down.get(&container.name) {
            Some(id) => *id,
            None => {
                draft.interrupts(&container.service);
                remove(draft, container, &format!("network {network} is made anew"))
            }
        };
        torn_down.insert(container.name.clone(), id);
        gone.push(id);
    }
    gone
}

/// Stops a container where it runs, and removes it.
pub(super) fn remove(draft: &mut Draft, container: &ObservedContainer, reason: &str) -> StepId {
    let name = container.name.clone();
    let mut after = Vec::new();
    if matches!(container.state, State::Running | State::Restarting | State::Paused) {
        after.push(draft.add(Step::StopContainer { name: name.clone(), grace_ms: None }, reason, &[]));
    }
    draft.add(Step::RemoveContainer { name }, reason, &after)
}

fn plan_volumes(draft: &mut Draft, stack: &Stack, observed: &Observed, after: &[StepId]) -> Result<(), PlanError> {
    for (key, volume) in &stack.volumes {
        let name = &volume.name;
        match observed.volumes.get(name) {
            None if volume.external => {
                return Err(PlanError::new(
                    format!("volume `{name}` is external, and the engine does not have it"),
                    format!("make it with `docker volume create {name}`, or take `external: true` away"),
                ));
            }
            None => {
                let step = Step::CreateVolume { key: key.clone(), volume: volume.clone() };
                let id = draft.add(step, "it is missing", after);
                draft.provide(name.clone(), id);
            }
            Some(_) if volume.external => {}
            Some(found) if !is_ours(&found.labels, draft.project()) => {
                return Err(PlanError::new(
                    format!("volume `{name}` is there already, and is not of project `{}`", draft.project()),
                    "mark it `external: true` to use its data, or give it another `name`",
                ));
            }
            Some(found) => {
                if is_redefined(found.labels.get(labels::DEFINITION), volume) {
                    draft.warn(format!(
                        "volume `{name}` was made with another driver or options, and is kept as it is: making it anew would destroy its data"
                    ));
                }
            }
        }
    }
    Ok(())
}

/// Another password would lock the application out of the data that is there.
fn refuse_lost_secrets(stack: &Stack, observed: &Observed) -> Result<(), PlanError> {
    let store = store_volume(&stack.project);
    let generated = stack.secrets.iter().find(|(_, source)| matches!(source.origin, FileOrigin::Generated { .. }));
    let data = stack.volumes.values().find(|volume| !volume.external && observed.volumes.contains_key(&volume.name));
    match (generated, data) {
        (Some((secret, _)), Some(data)) if !observed.volumes.contains_key(&store) => Err(PlanError::new(
            format!(
                "the generated secret `{secret}` is lost with the volume `{store}`, and volume `{}` holds data that was made with it",
                data.name
            ),
            format!(
                "bring the volume back; or `down --volumes` to begin anew; or `docker volume create --label {}={} {store}` to have other secrets made, and set them in the data yourself",
                labels::PROJECT,
                stack.project
            ),
        )),
        _ => Ok(()),
    }
}

/// The store is filled before a container that uses it is made. Where no
/// container is to be made, nothing is looked at and nothing is done.
fn plan_store(
    draft: &mut Draft,
    stack: &Stack,
    observed: &Observed,
    options: &UpOptions,
    torn_down: &TornDown,
) -> Vec<StepId> {
    let mut stored = Vec::new();
    let wanted = wanted_files(stack, observed, options, torn_down);
    if wanted.is_empty() {
        return stored;
    }
    let mut after = Vec::new();
    if !observed.store_ready {
        after.push(draft.add(Step::CreateStore, "it keeps the files that services are given", &[]));
    }
    for ((kind, key), (source, copies)) in wanted {
        let origin = source.origin.clone();
        let services: BTreeSet<&str> = copies.iter().map(|(_, service)| *service).collect();
        let reason = format!("for {}", services.into_iter().collect::<Vec<_>>().join(", "));
        let files: BTreeSet<StoreFile> = copies.into_iter().map(|(file, _)| file).collect();
        let step = Step::StoreFile { kind, key: key.clone(), origin, copies: files.iter().cloned().collect() };
        let id = draft.add(step, reason, &after);
        stored.push(id);
        for file in files {
            draft.provide(file.name, id);
        }
    }
    stored
}

type Wanted<'a> = BTreeMap<(FileKind, String), (&'a FileSource, Vec<(StoreFile, &'a str)>)>;

fn wanted_files<'a>(stack: &'a Stack, observed: &Observed, options: &UpOptions, torn_down: &TornDown) -> Wanted<'a> {
    let mut wanted = Wanted::new();
    // What is gone back to has its files in the store still.
    let is_asked =
        |service: &&Service| options.includes(stack, &service.name) && !options.pinned.contains_key(&service.name);
    for service in stack.services.values().filter(is_asked) {
        let grants = |grants: &'a [FileGrant], kind| grants.iter().map(move |grant| (kind, grant));
        let all = grants(&service.run.secrets, FileKind::Secret).chain(grants(&service.run.configs, FileKind::Config));
        for (kind, grant) in all {
            let sources = if kind == FileKind::Secret { &stack.secrets } else { &stack.configs };
            let Some(source) = sources.get(&grant.source) else { continue };
            let file = source.store_file(kind.word(), grant);
            if !every_replica_has(stack, service, observed, torn_down, &file) {
                let entry = wanted.entry((kind, grant.source.clone())).or_insert_with(|| (source, Vec::new()));
                entry.1.push((file, &service.name));
            }
        }
    }
    wanted
}

/// Whether each replica stands and mounts this file already.
fn every_replica_has(
    stack: &Stack,
    service: &Service,
    observed: &Observed,
    torn_down: &TornDown,
    file: &StoreFile,
) -> bool {
    (1..=service.replicas).all(|number| {
        let name = service.container_name(&stack.project, number);
        let standing = observed.containers.iter().find(|c| c.name == name && !torn_down.contains_key(&name));
        let same = crate::spec::ContainerSpec::of(stack, service, number).config_hash();
        standing.is_some_and(|container| {
            container.config_hash.as_deref() == Some(&same)
                || container.spec.as_ref().is_some_and(|spec| spec.files.iter().any(|mount| mount.file == *file))
        })
    })
}
