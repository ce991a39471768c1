//! A service: each key goes to the file that knows it.

use indexmap::IndexMap;

use super::Input;
use super::field::Field;
use super::files::{Owner, Sort};
use super::{build, deploy, environment, files, health, mounts, networks, ports, words};
use crate::stack::{Condition, Dependency, Logging, PullPolicy, Restart, RunConfig, Security, Service};

/// The keys that are supported.
const KEYS: &[&str] = &[
    "image",
    "build",
    "command",
    "entrypoint",
    "environment",
    "env_file",
    "volumes",
    "ports",
    "expose",
    "healthcheck",
    "restart",
    "depends_on",
    "networks",
    "network_mode",
    "container_name",
    "hostname",
    "user",
    "working_dir",
    "labels",
    "logging",
    "pull_policy",
    "platform",
    "profiles",
    "secrets",
    "configs",
    "cap_add",
    "cap_drop",
    "read_only",
    "security_opt",
    "privileged",
    "devices",
    "tmpfs",
    "shm_size",
    "ulimits",
    "sysctls",
    "init",
    "tty",
    "stdin_open",
    "extra_hosts",
    "dns",
    "group_add",
    "pid",
    "ipc",
    "stop_signal",
    "stop_grace_period",
    "mem_limit",
    "mem_reservation",
    "memswap_limit",
    "cpus",
    "cpu_shares",
    "cpuset",
    "pids_limit",
    "scale",
    "deploy",
    "links",
    "attach",
];

/// A service, and the profiles that it belongs to.
pub(super) struct Read {
    pub(super) service: Service,
    pub(super) profiles: Vec<String>,
}

pub(super) fn read(name: &str, field: &Field<'_>, input: &Input<'_>, project: &str) -> Option<Read> {
    check_name(name, field)?;
    field.only(KEYS);
    field.passed_over(&["attach"], "`logs` shows what every service writes");
    let entries = field.entries()?;
    let get = |key: &str| entries.get(key);
    let text = |key: &str| get(key).and_then(Field::text);
    let build = get("build").and_then(|field| build::of_service(field, input));
    let image = match (text("image"), &build) {
        (Some(image), _) => image,
        (None, Some(_)) => format!("{project}-{name}"),
        (None, None) => {
            if get("build").is_none() {
                field.key_error("it has neither `image` nor `build`", "say which image it runs, or how to make one");
            }
            return None;
        }
    };
    let deployed = get("deploy").map(deploy::of_service).unwrap_or_default();
    let mut service = Service {
        name: name.to_owned(),
        image,
        pull_policy: get("pull_policy").and_then(pull_policy).unwrap_or_default(),
        platform: text("platform"),
        replicas: replicas(&entries, deployed.replicas),
        container_name: text("container_name"),
        depends_on: get("depends_on").map(depends_on).unwrap_or_default(),
        update: deployed.update,
        run: run_config(&entries, input),
        build,
    };
    service.run.resources = deployed.resources;
    deploy::older_limits(&entries, &mut service.run.resources);
    service.run.restart = deployed.restart.or_else(|| get("restart").and_then(deploy::restart)).unwrap_or(Restart::No);
    imply_dependencies(&mut service, get("links"));
    if service.container_name.is_some() && service.replicas > 1 {
        field.key_error("`container_name` forbids more than one replica", "take one of the two away");
    }
    Some(Read { service, profiles: get("profiles").map(Field::texts).unwrap_or_default() })
}

/// A service's name is a DNS name on its networks.
fn check_name(name: &str, field: &Field<'_>) -> Option<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let fine = name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(allowed) && name.len() <= 63;
    if !fine {
        field
            .key_error(format!("`{name}` cannot be a service's name"), "letters, digits, `-`, `_` and `.`, 63 at most");
    }
    fine.then_some(())
}

fn replicas(entries: &IndexMap<&str, Field<'_>>, deployed: Option<u32>) -> u32 {
    let scale = entries.get("scale");
    match (scale.and_then(deploy::replicas), deployed) {
        (Some(scale), Some(replicas)) if scale != replicas => {
            if let Some(field) = entries.get("scale") {
                field.error(format!("`scale: {scale}` contradicts `deploy.replicas: {replicas}`"), "take `scale` away");
            }
            replicas
        }
        (scale, replicas) => replicas.or(scale).unwrap_or(1),
    }
}

fn run_config(entries: &IndexMap<&str, Field<'_>>, input: &Input<'_>) -> RunConfig {
    let get = |key: &str| entries.get(key);
    let text = |key: &str| get(key).and_then(Field::text);
    let texts = |key: &str| get(key).map(Field::texts).unwrap_or_default();
    let flag = |key: &str| get(key).and_then(Field::boolean);
    let user = text("user");
    let owner = Owner::of(user.as_deref());
    let grants = |key: &str, sort| get(key).map(|field| files::grants(field, sort, owner)).unwrap_or_default();
    RunConfig {
        command: get("command").and_then(command),
        entrypoint: get("entrypoint").and_then(command),
        environment: environment::of_service(get("environment"), get("env_file"), input),
        labels: get("labels").map(deploy::labels).unwrap_or_default(),
        group_add: texts("group_add"),
        working_dir: text("working_dir"),
        hostname: text("hostname"),
        networks: networks::of_service(get("networks"), get("network_mode")),
        network_mode: text("network_mode"),
        ports: get("ports").map(ports::published).unwrap_or_default(),
        expose: get("expose").map(ports::exposed).unwrap_or_default(),
        mounts: mounts::of_service(get("volumes"), get("tmpfs"), input),
        secrets: grants("secrets", Sort::Secret),
        configs: grants("configs", Sort::Config),
        healthcheck: get("healthcheck").map(health::of_service),
        restart: Restart::No,
        stop_signal: text("stop_signal"),
        stop_grace_period_ms: get("stop_grace_period").and_then(Field::duration_ms),
        resources: crate::stack::Resources::default(),
        security: Security {
            privileged: flag("privileged").unwrap_or(false),
            read_only: flag("read_only").unwrap_or(false),
            cap_add: texts("cap_add"),
            cap_drop: texts("cap_drop"),
            security_opt: texts("security_opt"),
            devices: texts("devices"),
            pid: text("pid"),
            ipc: text("ipc"),
        },
        logging: get("logging").map(logging),
        extra_hosts: get("extra_hosts").map(extra_hosts).unwrap_or_default(),
        dns: texts("dns"),
        sysctls: get("sysctls").map(environment::texts).unwrap_or_default(),
        init: flag("init"),
        tty: flag("tty").unwrap_or(false),
        stdin_open: flag("stdin_open").unwrap_or(false),
        user,
    }
}

/// A list as it is, or a line cut into words as a shell does. Nothing (`null`)
/// leaves the image's.
fn command(field: &Field<'_>) -> Option<Vec<String>> {
    if field.is_list() {
        return Some(field.texts());
    }
    let text = field.scalar()?;
    match words::split(text) {
        Ok(words) => Some(words),
        Err(error) => {
            field.error(error, "");
            None
        }
    }
}

fn pull_policy(field: &Field<'_>) -> Option<PullPolicy> {
    match field.scalar() {
        Some("always") => Some(PullPolicy::Always),
        Some("never") => Some(PullPolicy::Never),
        Some("missing" | "if_not_present") => Some(PullPolicy::Missing),
        Some("build") => Some(PullPolicy::Build),
        _ => {
            field.error("a pull policy is `always`, `never`, `missing` or `build`", "");
            None
        }
    }
}

fn depends_on(field: &Field<'_>) -> IndexMap<String, Dependency> {
    let started = Dependency { condition: Condition::ServiceStarted, required: true, restart: false };
    if field.is_list() {
        return field.texts().into_iter().map(|name| (name, started)).collect();
    }
    let entries = field.entries().unwrap_or_default();
    entries.into_iter().map(|(name, value)| (name.to_owned(), dependency(&value, started))).collect()
}

fn dependency(field: &Field<'_>, mut dependency: Dependency) -> Dependency {
    field.only(&["condition", "required", "restart"]);
    for (key, value) in field.entries().unwrap_or_default() {
        match key {
            "condition" => match value.scalar() {
                Some("service_started") => dependency.condition = Condition::ServiceStarted,
                Some("service_healthy") => dependency.condition = Condition::ServiceHealthy,
                Some("service_completed_successfully") => {
                    dependency.condition = Condition::ServiceCompletedSuccessfully;
                }
                _ => value.error(
                    "it is no condition",
                    "`service_started`, `service_healthy` and `service_completed_successfully` are",
                ),
            },
            "required" => dependency.required = value.boolean().unwrap_or(true),
            "restart" => dependency.restart = value.boolean().unwrap_or(false),
            _ => {}
        }
    }
    dependency
}

/// Sharing another's namespace, and a link, mean depending on it.
fn imply_dependencies(service: &mut Service, links: Option<&Field<'_>>) {
    let implied = Dependency { condition: Condition::ServiceStarted, required: true, restart: true };
    let run = &service.run;
    let modes = [&run.network_mode, &run.security.pid, &run.security.ipc];
    let shared = modes.into_iter().flatten().filter_map(|mode| mode.strip_prefix("service:")).map(str::to_owned);
    let linked = links.map(Field::texts).unwrap_or_default();
    let linked = linked.iter().map(|link| link.split(':').next().unwrap_or_default().to_owned());
    let names: Vec<String> = shared.chain(linked).collect();
    for name in names {
        service.depends_on.entry(name).or_insert(implied);
    }
    for field in links.and_then(Field::items).unwrap_or_default() {
        if field.scalar().is_some_and(|link| link.contains(':')) {
            field
                .error("a link with another name is not supported", "use `networks.NAME.aliases` on the other service");
        }
    }
}

fn logging(field: &Field<'_>) -> Logging {
    field.only(&["driver", "options"]);
    let entries = field.entries().unwrap_or_default();
    Logging {
        driver: entries.get("driver").and_then(Field::text).unwrap_or_default(),
        options: entries.get("options").map(environment::texts).unwrap_or_default(),
    }
}

/// `host:address` or `host=address`, or a mapping.
fn extra_hosts(field: &Field<'_>) -> Vec<String> {
    if field.is_list() {
        let line = |text: String| match text.split_once('=') {
            Some((host, address)) => format!("{host}:{address}"),
            None => text,
        };
        return field.texts().into_iter().map(line).collect();
    }
    let entries = field.entries().unwrap_or_default();
    let lines = |(host, value): (&str, Field<'_>)| {
        value.texts().into_iter().map(|address| format!("{host}:{address}")).collect::<Vec<_>>()
    };
    entries.into_iter().flat_map(lines).collect()
}
