//! Containers: list, inspect, make, stop, remove.

use std::collections::HashMap;

use bollard::Docker;
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerState, ContainerStateStatusEnum, ContainerSummary,
    HealthStatusEnum, HostConfig, NetworkConnectRequest,
};
use bollard::query_parameters::{
    CreateContainerOptions, ListContainersOptions, RemoveContainerOptions, StopContainerOptions,
};
use futures_util::future::try_join_all;
use mainstay_plan::labels;
use mainstay_plan::observed::{Health, Limits, ObservedContainer, State};
use mainstay_plan::spec::ContainerSpec;

use super::super::{Inspected, Probe};
use super::{failed, status_of, translate, unless};
use crate::error::{Error, Result};

/// The engine's own bound of a probe, where nobody sets one.
const PROBE_TIMEOUT_MS: u64 = 30_000;

async fn summaries(docker: &Docker, filters: HashMap<String, Vec<String>>) -> Result<Vec<ContainerSummary>> {
    let options = ListContainersOptions { all: true, filters: Some(filters), ..Default::default() };
    docker.list_containers(Some(options)).await.map_err(failed("list containers"))
}

/// A container of a service, and neither one of ours that never starts nor one of `docker compose run`.
fn is_replica(summary: &ContainerSummary) -> bool {
    let label = |name: &str| summary.labels.as_ref().and_then(|labels| labels.get(name)).map(String::as_str);
    label(labels::ROLE).is_none() && label("com.docker.compose.oneoff") != Some("True")
}

fn name_of(summary: &ContainerSummary) -> Option<String> {
    summary.names.as_ref()?.first().map(|name| name.trim_start_matches('/').to_owned())
}

pub(super) async fn list(docker: &Docker, project: &str) -> Result<Vec<ObservedContainer>> {
    let by_project = vec![format!("{}={project}", labels::COMPOSE_PROJECT)];
    let found = summaries(docker, HashMap::from([("label".to_owned(), by_project)])).await?;
    let ids = found.into_iter().filter(is_replica).filter_map(|summary| summary.id);
    // One that goes away while we look was not to be counted on anyway.
    let inspected = try_join_all(ids.map(|id| async move { inspect_raw(docker, &id).await })).await?;
    let mut containers: Vec<ObservedContainer> = inspected.into_iter().flatten().filter_map(observed).collect();
    containers.sort_by(|a, b| (&a.service, a.number, &a.name).cmp(&(&b.service, b.number, &b.name)));
    Ok(containers)
}

pub(super) async fn foreign_names(docker: &Docker, project: &str) -> Result<Vec<String>> {
    let is_ours = |summary: &ContainerSummary| {
        let labels = summary.labels.as_ref();
        let has = |name: &str| labels.and_then(|labels| labels.get(name)).is_some_and(|value| value == project);
        has(labels::COMPOSE_PROJECT) || has(labels::PROJECT)
    };
    let all = summaries(docker, HashMap::new()).await?;
    Ok(all.iter().filter(|summary| !is_ours(summary)).filter_map(name_of).collect())
}

async fn inspect_raw(docker: &Docker, name: &str) -> Result<Option<ContainerInspectResponse>> {
    match docker.inspect_container(name, None).await {
        Ok(found) => Ok(Some(found)),
        Err(error) if status_of(&error) == Some(404) => Ok(None),
        Err(error) => Err(failed(&format!("inspect container `{name}`"))(error)),
    }
}

fn observed(found: ContainerInspectResponse) -> Option<ObservedContainer> {
    let config = found.config?;
    let own = config.labels.unwrap_or_default();
    let label = |name: &str| own.get(name);
    let service = label(labels::SERVICE).or_else(|| label(labels::COMPOSE_SERVICE))?.clone();
    let number = label(labels::REPLICA).or_else(|| label(labels::COMPOSE_NUMBER));
    let state = found.state.unwrap_or_default();
    let networks = found.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let anonymous = found.mounts.unwrap_or_default().into_iter().filter_map(|mount| {
        let name = mount.name.filter(|name| is_anonymous(name))?;
        (mount.typ.as_deref() == Some("volume")).then_some((mount.destination?, name))
    });
    Some(ObservedContainer {
        name: found.name.unwrap_or_default().trim_start_matches('/').to_owned(),
        number: number.and_then(|text| text.parse().ok()).unwrap_or(1),
        release: label(labels::RELEASE).and_then(|text| text.parse().ok()),
        config_hash: label(labels::CONFIG).cloned(),
        spec: label(labels::SPEC).and_then(|json| serde_json::from_str(json).ok()),
        service,
        image_id: found.image.unwrap_or_default(),
        health: health_of(&state),
        state: state_of(&state),
        network_ids: networks
            .iter()
            .filter_map(|(name, endpoint)| Some((name.clone(), endpoint.network_id.clone()?)))
            .filter(|(_, id)| !id.is_empty())
            .collect(),
        networks: networks.into_keys().collect(),
        anonymous: anonymous.collect(),
        limits: limits_of(&found.host_config.unwrap_or_default()),
    })
}

/// The engine names an anonymous volume by 64 hex digits.
fn is_anonymous(volume: &str) -> bool {
    volume.len() == 64 && volume.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn limits_of(host: &HostConfig) -> Limits {
    let policy = host.restart_policy.as_ref().and_then(|policy| policy.name);
    let restart = policy.map(|name| name.to_string()).filter(|name| !name.is_empty());
    Limits {
        memory_bytes: host.memory.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0),
        nano_cpus: host.nano_cpus.and_then(|nanos| u64::try_from(nanos).ok()).unwrap_or(0),
        pids: host.pids_limit.unwrap_or(0),
        restart: restart.unwrap_or_else(|| "no".to_owned()),
    }
}

/// Whether the policy starts it again after the end that it came to.
fn will_restart(host: &HostConfig, state: &ContainerState, restarts: i64) -> bool {
    let policy = host.restart_policy.as_ref();
    match limits_of(host).restart.as_str() {
        "no" => false,
        "on-failure" => {
            let most = policy.and_then(|policy| policy.maximum_retry_count).unwrap_or(0);
            state.exit_code != Some(0) && (most == 0 || restarts < most)
        }
        _ => true,
    }
}

fn state_of(state: &ContainerState) -> State {
    match state.status {
        Some(ContainerStateStatusEnum::RUNNING) => State::Running,
        Some(ContainerStateStatusEnum::PAUSED) => State::Paused,
        Some(ContainerStateStatusEnum::RESTARTING) => State::Restarting,
        Some(ContainerStateStatusEnum::EXITED) => State::Exited { code: state.exit_code.unwrap_or(0) },
        Some(ContainerStateStatusEnum::DEAD | ContainerStateStatusEnum::REMOVING) => State::Dead,
        _ => State::Created,
    }
}

fn health_of(state: &ContainerState) -> Health {
    match state.health.as_ref().and_then(|health| health.status) {
        Some(HealthStatusEnum::STARTING) => Health::Starting,
        Some(HealthStatusEnum::HEALTHY) => Health::Healthy,
        Some(HealthStatusEnum::UNHEALTHY) => Health::Unhealthy,
        _ => Health::None,
    }
}

pub(super) async fn inspect(docker: &Docker, name: &str) -> Result<Option<Inspected>> {
    let Some(found) = inspect_raw(docker, name).await? else { return Ok(None) };
    let state = found.state.unwrap_or_default();
    let host = found.host_config.unwrap_or_default();
    let ports = found.network_settings.and_then(|settings| settings.ports).unwrap_or_default();
    Ok(Some(Inspected {
        state: state_of(&state),
        health: health_of(&state),
        probe: found.config.and_then(|config| config.healthcheck).and_then(|check| probe_of(&check)),
        restarts: will_restart(&host, &state, found.restart_count.unwrap_or(0)),
        restart_count: found.restart_count.unwrap_or(0),
        error: state.error.unwrap_or_default(),
        out_of_memory: state.oom_killed.unwrap_or(false),
        ports: published(ports),
        started_at: state.started_at.unwrap_or_default(),
    }))
}

fn probe_of(check: &bollard::models::HealthConfig) -> Option<Probe> {
    let test = check.test.as_deref()?;
    let argv = match test.split_first()? {
        (kind, rest) if kind == "CMD" => rest.to_vec(),
        (kind, [command, ..]) if kind == "CMD-SHELL" => vec!["/bin/sh".into(), "-c".into(), command.clone()],
        _ => return None,
    };
    let timeout = check.timeout.and_then(|nanos| u64::try_from(nanos / 1_000_000).ok()).filter(|ms| *ms > 0);
    Some(Probe { argv, timeout_ms: timeout.unwrap_or(PROBE_TIMEOUT_MS) })
}

fn published(ports: HashMap<String, Option<Vec<bollard::models::PortBinding>>>) -> Vec<String> {
    let mut all: Vec<String> = ports
        .into_iter()
        .flat_map(|(target, bindings)| {
            bindings.unwrap_or_default().into_iter().map(move |binding| {
                let ip = binding.host_ip.unwrap_or_default();
                let ip = if ip.contains(':') { format!("[{ip}]") } else { ip };
                format!("{ip}:{}->{target}", binding.host_port.unwrap_or_default())
            })
        })
        .collect();
    all.sort_unstable();
    all
}

pub(super) async fn create(
    docker: &Docker,
    name: &str,
    spec: &ContainerSpec,
    release: u32,
    body: ContainerCreateBody,
) -> Result<()> {
    let doing = format!("create container `{name}`");
    let options =
        CreateContainerOptions { name: Some(name.to_owned()), platform: spec.platform.clone().unwrap_or_default() };
    docker.create_container(Some(options), body).await.map_err(failed(&doing))?;
    for (network, attachment) in spec.run.networks.iter().skip(1) {
        let request = NetworkConnectRequest {
            container: name.to_owned(),
            endpoint_config: Some(translate::endpoint(spec, release, attachment)),
        };
        let doing = format!("connect container `{name}` to network `{network}`");
        docker.connect_network(network, request).await.map_err(failed(&doing))?;
    }
    Ok(())
}

pub(super) async fn stop(docker: &Docker, name: &str, grace_ms: Option<u64>) -> Result<()> {
    let grace = grace_ms.map(|ms| i32::try_from(ms.div_ceil(1000)).unwrap_or(i32::MAX));
    let options = StopContainerOptions { t: grace, ..Default::default() };
    // The client's own bound must not be shorter than the container's grace:
    // a database may take minutes to write its last checkpoint.
    let patient = docker.clone().with_timeout(std::time::Duration::from_secs(3600));
    // 304: it is stopped already. 404: it is gone.
    unless(&[304, 404], patient.stop_container(name, Some(options)).await, &format!("stop container `{name}`"))
}

pub(super) async fn remove(docker: &Docker, name: &str) -> Result<()> {
    // Never forced and never with its anonymous volumes: there may be data on them.
    let options = RemoveContainerOptions { v: false, force: false, link: false };
    let result = docker.remove_container(name, Some(options)).await;
    match &result {
        // 409 with these words: another call is removing it, which is what we want.
        Err(error) if status_of(error) == Some(409) && super::text_of(error).contains("already in progress") => {
            gone(docker, name).await
        }
        _ => unless(&[404], result, &format!("remove container `{name}`")),
    }
}

async fn gone(docker: &Docker, name: &str) -> Result<()> {
    for _ in 0..100 {
        if inspect_raw(docker, name).await?.is_none() {
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    Err(Error::new(format!("container `{name}` is still being removed after 10 s")))
}

/// A port of the host, and the container that holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PortHolder {
    /// The host's address.
    pub(crate) ip: String,
    /// The host's port.
    pub(crate) port: u16,
    /// `tcp` or `udp`.
    pub(crate) protocol: String,
    /// The container's name.
    pub(crate) container: String,
}

pub(super) async fn port_holders(docker: &Docker) -> Result<Vec<PortHolder>> {
    let mut holders = Vec::new();
    for summary in summaries(docker, HashMap::new()).await? {
        let container = name_of(&summary).unwrap_or_default();
        for port in summary.ports.into_iter().flatten() {
            holders.extend(port.public_port.map(|public| PortHolder {
                ip: port.ip.clone().unwrap_or_default(),
                port: public,
                protocol: port.typ.map(|kind| kind.to_string()).unwrap_or_default(),
                container: container.clone(),
            }));
        }
    }
    Ok(holders)
}
