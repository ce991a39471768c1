//! A container's specification in the words of the Engine API.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{
    ContainerCreateBody, DeviceMapping, EndpointIpamConfig, EndpointSettings, HealthConfig, HostConfig,
    HostConfigLogConfig, Mount as ApiMount, MountBindOptions, MountBindOptionsPropagationEnum, MountTmpfsOptions,
    MountType, MountVolumeOptions, NetworkingConfig, PortBinding, ResourcesUlimits, RestartPolicy,
    RestartPolicyNameEnum,
};
use mainstay_plan::labels;
use mainstay_plan::spec::ContainerSpec;
use mainstay_plan::stack::{Attachment, Healthcheck, Mount, Resources, Restart, RunConfig};

/// The body of `POST /containers/create`. `store` is the path of the store's
/// volume on the engine's machine; `carry` are anonymous volumes to go on with.
pub(super) fn create_body(
    project: &str,
    spec: &ContainerSpec,
    release: u32,
    carry: &BTreeMap<String, String>,
    store: &str,
) -> ContainerCreateBody {
    let run = &spec.run;
    ContainerCreateBody {
        image: Some(spec.image.clone()),
        hostname: run.hostname.clone(),
        user: run.user.clone(),
        working_dir: run.working_dir.clone(),
        cmd: run.command.clone(),
        entrypoint: run.entrypoint.clone(),
        env: Some(environment(run)),
        tty: Some(run.tty),
        open_stdin: Some(run.stdin_open),
        labels: Some(labels::of_container(project, spec, release).into_iter().collect()),
        exposed_ports: Some(exposed(run)),
        healthcheck: run.healthcheck.as_ref().map(health),
        stop_signal: run.stop_signal.clone(),
        stop_timeout: run.stop_grace_period_ms.map(|ms| signed(ms.div_ceil(1000))),
        networking_config: networking(spec, release),
        host_config: Some(host_config(spec, carry, store)),
        ..Default::default()
    }
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn environment(run: &RunConfig) -> Vec<String> {
    let line = |(key, value): (&String, &Option<String>)| match value {
        Some(value) => format!("{key}={value}"),
        None => key.clone(),
    };
    run.environment.iter().map(line).collect()
}

fn exposed(run: &RunConfig) -> Vec<String> {
    let published = run.ports.iter().map(|port| format!("{}/{}", port.target, port.protocol));
    let mut all: Vec<String> = run.expose.iter().cloned().chain(published).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn health(check: &Healthcheck) -> HealthConfig {
    const NANOS_PER_MILLI: u64 = 1_000_000;
    let nanos = |ms: Option<u64>| ms.map(|ms| signed(ms.saturating_mul(NANOS_PER_MILLI)));
    HealthConfig {
        test: check.test.clone(),
        interval: nanos(check.interval_ms),
        timeout: nanos(check.timeout_ms),
        retries: check.retries.map(i64::from),
        start_period: nanos(check.start_period_ms),
        start_interval: nanos(check.start_interval_ms),
    }
}

/// The network that the container is made on; the engine takes one at creation
/// (API 1.44 and later take more), and the others are connected before the start.
fn networking(spec: &ContainerSpec, release: u32) -> Option<NetworkingConfig> {
    let (name, attachment) = spec.run.networks.first()?;
    let endpoints = HashMap::from([(name.clone(), endpoint(spec, release, attachment))]);
    Some(NetworkingConfig { endpoints_config: Some(endpoints) })
}

/// How a container stands on a network: by its service's name, its own as a target, and its aliases.
pub(super) fn endpoint(spec: &ContainerSpec, release: u32, attachment: &Attachment) -> EndpointSettings {
    let own = [spec.service.clone(), spec.target_name(release)];
    let aliases = own.into_iter().chain(attachment.aliases.iter().cloned()).collect();
    EndpointSettings {
        aliases: Some(aliases),
        ipam_config: attachment
            .ipv4_address
            .clone()
            .map(|address| EndpointIpamConfig { ipv4_address: Some(address), ..Default::default() }),
        ..Default::default()
    }
}

fn host_config(spec: &ContainerSpec, carry: &BTreeMap<String, String>, store: &str) -> HostConfig {
    let run = &spec.run;
    let network_mode = run.networks.keys().next().cloned().or_else(|| run.network_mode.clone());
    let mut host = HostConfig {
        network_mode,
        port_bindings: Some(port_bindings(run)),
        restart_policy: Some(restart_policy(run.restart)),
        binds: Some(run.mounts.iter().filter_map(short_bind).collect()),
        mounts: Some(mounts(spec, carry, store)),
        tmpfs: Some(run.mounts.iter().filter_map(short_tmpfs).collect()),
        privileged: Some(run.security.privileged),
        readonly_rootfs: Some(run.security.read_only),
        cap_add: Some(run.security.cap_add.clone()),
        cap_drop: Some(run.security.cap_drop.clone()),
        security_opt: Some(run.security.security_opt.clone()),
        devices: Some(run.security.devices.iter().map(|device| device_mapping(device)).collect()),
        pid_mode: run.security.pid.clone(),
        ipc_mode: run.security.ipc.clone(),
        group_add: Some(run.group_add.clone()),
        extra_hosts: Some(run.extra_hosts.clone()),
        dns: Some(run.dns.clone()),
        sysctls: Some(run.sysctls.iter().map(|(key, value)| (key.clone(), value.clone())).collect()),
        init: run.init,
        log_config: run.logging.as_ref().map(|logging| HostConfigLogConfig {
            typ: Some(logging.driver.clone()).filter(|driver| !driver.is_empty()),
            config: Some(logging.options.iter().map(|(key, value)| (key.clone(), value.clone())).collect()),
        }),
        ..Default::default()
    };
    limit(&mut host, &run.resources);
    host
}

fn limit(host: &mut HostConfig, resources: &Resources) {
    host.memory = resources.memory_bytes.map(signed);
    host.memory_reservation = resources.memory_reservation_bytes.map(signed);
    host.memory_swap = resources.memory_swap_bytes;
    host.nano_cpus = resources.nano_cpus.map(signed);
    host.cpu_shares = resources.cpu_shares.map(signed);
    host.cpuset_cpus.clone_from(&resources.cpuset);
    host.pids_limit = resources.pids;
    host.shm_size = resources.shm_bytes.map(signed);
    let ulimit = |(name, (soft, hard)): (&String, &(i64, i64))| ResourcesUlimits {
        name: Some(name.clone()),
        soft: Some(*soft),
        hard: Some(*hard),
    };
    host.ulimits = Some(resources.ulimits.iter().map(ulimit).collect());
}

fn port_bindings(run: &RunConfig) -> HashMap<String, Option<Vec<PortBinding>>> {
    let mut bindings: HashMap<String, Option<Vec<PortBinding>>> = HashMap::new();
    for port in &run.ports {
        let key = format!("{}/{}", port.target, port.protocol);
        let binding = PortBinding {
            host_ip: port.host_ip.clone(),
            host_port: Some(port.published.map(|published| published.to_string()).unwrap_or_default()),
        };
        bindings.entry(key).or_default().get_or_insert_default().push(binding);
    }
    bindings
}

fn restart_policy(restart: Restart) -> RestartPolicy {
    let (name, max) = match restart {
        Restart::No => (RestartPolicyNameEnum::NO, None),
        Restart::Always => (RestartPolicyNameEnum::ALWAYS, None),
        Restart::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, None),
        Restart::OnFailure { max_retries } => (RestartPolicyNameEnum::ON_FAILURE, Some(i64::from(max_retries))),
    };
    RestartPolicy { name: Some(name), maximum_retry_count: max }
}

/// Binds that need SELinux relabelling, or whose path the engine is to make,
/// exist only in the short form.
fn short_bind(mount: &Mount) -> Option<String> {
    match mount {
        Mount::Bind { source, target, read_only, create_host_path, propagation, selinux }
            if selinux.is_some() || *create_host_path =>
        {
            let mode = if *read_only { "ro" } else { "rw" };
            let options = [Some(mode), selinux.as_deref(), propagation.as_deref()];
            let options: Vec<&str> = options.into_iter().flatten().collect();
            Some(format!("{source}:{target}:{}", options.join(",")))
        }
        _ => None,
    }
}

/// A tmpfs with free options exists only in the short form.
fn short_tmpfs(mount: &Mount) -> Option<(String, String)> {
    match mount {
        Mount::Tmpfs { target, options: Some(options), .. } => Some((target.clone(), options.clone())),
        _ => None,
    }
}

fn mounts(spec: &ContainerSpec, carry: &BTreeMap<String, String>, store: &str) -> Vec<ApiMount> {
    let own = spec.run.mounts.iter().filter(|mount| short_bind(mount).is_none() && short_tmpfs(mount).is_none());
    let files = spec.files.iter().map(|mount| ApiMount {
        typ: Some(MountType::BIND),
        source: Some(format!("{store}/{}", mount.file.name)),
        target: Some(mount.target.clone()),
        read_only: Some(true),
        ..Default::default()
    });
    let anonymous_target = |mount: &Mount| match mount {
        Mount::Volume { source: None, target, .. } => Some(target.clone()),
        _ => None,
    };
    let declared: Vec<String> = spec.run.mounts.iter().filter_map(anonymous_target).collect();
    let from_image = carry.iter().filter(|(path, _)| !declared.contains(path)).map(|(path, volume)| ApiMount {
        typ: Some(MountType::VOLUME),
        source: Some(volume.clone()),
        target: Some(path.clone()),
        ..Default::default()
    });
    own.map(|mount| api_mount(mount, carry)).chain(from_image).chain(files).collect()
}

fn api_mount(mount: &Mount, carry: &BTreeMap<String, String>) -> ApiMount {
    match mount {
        Mount::Volume { source, target, read_only, nocopy } => ApiMount {
            typ: Some(MountType::VOLUME),
            source: source.clone().or_else(|| carry.get(target).cloned()),
            target: Some(target.clone()),
            read_only: Some(*read_only),
            volume_options: Some(MountVolumeOptions { no_copy: Some(*nocopy), ..Default::default() }),
            ..Default::default()
        },
        Mount::Bind { source, target, read_only, propagation, .. } => ApiMount {
            typ: Some(MountType::BIND),
            source: Some(source.clone()),
            target: Some(target.clone()),
            read_only: Some(*read_only),
            bind_options: propagation.as_ref().map(|name| MountBindOptions {
                propagation: name.parse::<MountBindOptionsPropagationEnum>().ok(),
                ..Default::default()
            }),
            ..Default::default()
        },
        Mount::Tmpfs { target, size_bytes, mode, .. } => ApiMount {
            typ: Some(MountType::TMPFS),
            target: Some(target.clone()),
            tmpfs_options: Some(MountTmpfsOptions {
                size_bytes: size_bytes.map(signed),
                mode: mode.map(i64::from),
                ..Default::default()
            }),
            ..Default::default()
        },
    }
}

/// `host:container:rwm`, of which the last two may be left out.
fn device_mapping(text: &str) -> DeviceMapping {
    let mut parts = text.splitn(3, ':');
    let host = parts.next().unwrap_or_default();
    DeviceMapping {
        path_on_host: Some(host.to_owned()),
        path_in_container: Some(parts.next().unwrap_or(host).to_owned()),
        cgroup_permissions: Some(parts.next().unwrap_or("rwm").to_owned()),
    }
}
