//! A service: each key goes to the file that knows it.

use indexmap::IndexMap;

use super::Input;
use super::field::Field;
use super::files::{Owner, Sort};
use super::{build, deploy, environment, files, health, limits, mounts, namespaces, networks, ports, words};
use crate::stack::{BehindEdge, Condition, Dependency, Logging, PullPolicy, Restart, RunConfig, Security, Service};

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
    "x-mainstay",
];

/// A service, and what its references need beside it.
pub(super) struct Read {
    pub(super) service: Service,
    /// One of its profiles is active, or it has none.
    pub(super) active: bool,
    /// Others under another name: service and name.
    pub(super) links: Vec<(String, String)>,
}

pub(super) fn read(name: &str, field: &Field<'_>, input: &Input<'_>, project: &str) -> Option<Read> {
    check_name(name, field)?;
    field.only(KEYS);
    field.passed_over(&["attach"], "`up` does not stay to show what services print");
    let entries = field.entries()?;
    let get = |key: &str| entries.get(key);
    let word = |key: &str| get(key).and_then(Field::word);
    let active = is_active(get("profiles"), input);
    let build = get("build").and_then(|field| build::of_service(field, input));
    let deployed = get("deploy").map(deploy::of_service).unwrap_or_default();
    let links = get("links").map(links).unwrap_or_default();
    let mut service = Service {
        name: name.to_owned(),
        image: word("image").unwrap_or_else(|| format!("{project}-{name}")),
        pull_policy: get("pull_policy").and_then(pull_policy).unwrap_or_default(),
        platform: word("platform"),
        replicas: replicas(&entries, deployed.replicas),
        several: false,
        container_name: word("container_name"),
        depends_on: get("depends_on").map(depends_on).unwrap_or_default(),
        update: deployed.update,
        edge: get("x-mainstay").and_then(behind_edge),
        keep_image: get("x-mainstay").and_then(|own| own.get("keep_image")?.boolean()).unwrap_or(false),
        run: run_config(&entries, input, active),
        build,
    };
    // What has it from another service is refused already.
    if get("build").is_none() && word("image").is_none() && get("extends").is_none() {
        field.key_error("it has neither `image` nor `build`", "say which image it runs, or how to make one");
    }
    service.run.resources = deployed.resources;
    limits::of_service(&entries, &mut service.run.resources);
    service.run.restart = deployed.restart.or_else(|| get("restart").and_then(deploy::restart)).unwrap_or(Restart::No);
    service.several = service.replicas > 1;
    imply_dependencies(&mut service, &links);
    check_replicas(field, &service);
    check_watch(get("deploy"), &service);
    Some(Read { service, active, links })
}

fn is_active(profiles: Option<&Field<'_>>, input: &Input<'_>) -> bool {
    let own = profiles.map(Field::texts).unwrap_or_default();
    own.is_empty() || input.profiles.iter().any(|asked| asked == "*" || own.contains(asked))
}

/// `x-mainstay: {edge: SERVICE, port: PORT}`.
fn behind_edge(field: &Field<'_>) -> Option<BehindEdge> {
    field.only(&["edge", "port", "keep_image"]);
    let (edge, port) = (field.get("edge"), field.get("port"));
    if edge.is_none() && port.is_none() && field.get("keep_image").is_some() {
        return None;
    }
    let service = edge.and_then(|edge| edge.word());
    let port = port.and_then(|port| port.number());
    if service.is_none() || port.is_none_or(|port: u16| port == 0) {
        field.error(
            "`edge` and `port` are wanted: the service that is the edge, and where this one listens",
            "such as `x-mainstay: {edge: edge, port: 8080}`",
        );
    }
    Some(BehindEdge { service: service?, port: port? })
}

/// Without an edge nobody counts what a new release does.
fn check_watch(deploy: Option<&Field<'_>>, service: &Service) {
    let watches = service.update.monitor_ms.is_some() || service.update.tolerated_permille.is_some();
    if let Some(deploy) = deploy.filter(|_| watches && service.edge.is_none()) {
        deploy.warning(
            "`monitor` and `max_failure_ratio` are passed over: no edge counts its requests",
            "put it behind one: `x-mainstay: {edge: SERVICE, port: PORT}`",
        );
    }
}

/// What only one container can have.
fn check_replicas(field: &Field<'_>, service: &Service) {
    let is_fixed = service.run.networks.values().any(|attachment| attachment.ipv4_address.is_some());
    for (key, has) in [("container_name", service.container_name.is_some()), ("ipv4_address", is_fixed)] {
        if has && service.replicas > 1 {
            field.key_error(format!("`{key}` forbids more than one replica"), "take one of the two away");
        }
    }
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

fn run_config(entries: &IndexMap<&str, Field<'_>>, input: &Input<'_>, active: bool) -> RunConfig {
    let get = |key: &str| entries.get(key);
    let word = |key: &str| get(key).and_then(Field::word);
    let texts = |key: &str| get(key).map(Field::texts).unwrap_or_default();
    let flag = |key: &str| get(key).and_then(Field::boolean);
    let user = word("user");
    // The files of a service that is not asked for need not be there.
    let env_file = get("env_file").filter(|_| active);
    let owner = Owner::of(user.as_deref());
    let grants = |key: &str, sort| get(key).map(|field| files::grants(field, sort, owner)).unwrap_or_default();
    RunConfig {
        command: get("command").and_then(command),
        entrypoint: get("entrypoint").and_then(command),
        environment: environment::of_service(get("environment"), env_file, input),
        labels: get("labels").map(environment::texts).unwrap_or_default(),
        group_add: texts("group_add"),
        working_dir: word("working_dir"),
        hostname: word("hostname"),
        networks: networks::of_service(get("networks"), get("network_mode")),
        network_mode: namespaces::network_mode(entries),
        ports: get("ports").map(ports::published).unwrap_or_default(),
        expose: get("expose").map(ports::exposed).unwrap_or_default(),
        mounts: mounts::of_service(get("volumes"), get("tmpfs"), input),
        secrets: grants("secrets", Sort::Secret),
        configs: grants("configs", Sort::Config),
        healthcheck: get("healthcheck").map(health::of_service),
        restart: Restart::No,
        stop_signal: word("stop_signal"),
        stop_grace_period_ms: get("stop_grace_period").and_then(Field::duration_ms),
        resources: crate::stack::Resources::default(),
        security: Security {
            privileged: flag("privileged").unwrap_or(false),
            read_only: flag("read_only").unwrap_or(false),
            cap_add: texts("cap_add"),
            cap_drop: texts("cap_drop"),
            security_opt: texts("security_opt"),
            devices: get("devices").map(devices).unwrap_or_default(),
            pid: get("pid").and_then(|field| namespaces::shared(field, &["host"])),
            ipc: get("ipc").and_then(|field| namespaces::shared(field, &["host", "none", "private", "shareable"])),
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
            field.error(error, "a list is taken as it is; for a shell write `[sh, -c, '...']`");
            None
        }
    }
}

fn pull_policy(field: &Field<'_>) -> Option<PullPolicy> {
    if field.is_empty() {
        return None;
    }
    let policies = [
        ("always", PullPolicy::Always),
        ("never", PullPolicy::Never),
        ("missing", PullPolicy::Missing),
        ("if_not_present", PullPolicy::Missing),
        ("build", PullPolicy::Build),
    ];
    field.choice("pull policy", &policies)
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
            "condition" => {
                let conditions = [
                    ("service_started", Condition::ServiceStarted),
                    ("service_healthy", Condition::ServiceHealthy),
                    ("service_completed_successfully", Condition::ServiceCompletedSuccessfully),
                ];
                dependency.condition = value.choice("condition", &conditions).unwrap_or(dependency.condition);
            }
            "required" => dependency.required = value.boolean().unwrap_or(true),
            "restart" => dependency.restart = value.boolean().unwrap_or(false),
            _ => {}
        }
    }
    dependency
}

/// `SERVICE` or `SERVICE:NAME`.
fn links(field: &Field<'_>) -> Vec<(String, String)> {
    let link = |text: String| match text.split_once(':') {
        Some((service, name)) => (service.to_owned(), name.to_owned()),
        None => (text.clone(), text),
    };
    field.texts().into_iter().map(link).collect()
}

/// Sharing another's namespace, and a link, mean depending on it.
fn imply_dependencies(service: &mut Service, links: &[(String, String)]) {
    let implied = Dependency { condition: Condition::ServiceStarted, required: true, restart: true };
    let run = &service.run;
    let modes = [&run.network_mode, &run.security.pid, &run.security.ipc];
    let shared = modes.into_iter().flatten().filter_map(|mode| mode.strip_prefix("service:")).map(str::to_owned);
    let names: Vec<String> = shared.chain(links.iter().map(|(service, _)| service.clone())).collect();
    for name in names {
        service.depends_on.entry(name).or_insert(implied);
    }
}

/// `HOST[:CONTAINER[:PERMISSIONS]]`, or a mapping; written out in full.
fn devices(field: &Field<'_>) -> Vec<String> {
    let mut all = Vec::new();
    for item in field.items().unwrap_or_default() {
        let part = |key: &str| item.get(key).and_then(|value| value.word());
        let (source, target, permissions) = if item.is_map() {
            item.only(&["source", "target", "permissions"]);
            (part("source"), part("target"), part("permissions"))
        } else {
            let Some(text) = item.text() else { continue };
            let mut parts = text.splitn(3, ':').map(str::to_owned);
            (parts.next(), parts.next(), parts.next())
        };
        let source = source.unwrap_or_default();
        let permissions = permissions.unwrap_or_else(|| "rwm".to_owned());
        if !source.starts_with('/') || !permissions.chars().all(|c| "rwm".contains(c)) {
            item.error("it is no device", "such as `/dev/ttyUSB0` or `/dev/sda:/dev/disk:r`");
            continue;
        }
        all.push(format!("{source}:{}:{permissions}", target.unwrap_or_else(|| source.clone())));
    }
    all
}

fn logging(field: &Field<'_>) -> Logging {
    field.only(&["driver", "options"]);
    let entries = field.entries().unwrap_or_default();
    Logging {
        driver: entries.get("driver").and_then(Field::text).unwrap_or_default(),
        options: entries.get("options").map(environment::texts).unwrap_or_default(),
    }
}

/// `host=address` or `host:address`, or a mapping; several addresses are divided by commas.
fn extra_hosts(field: &Field<'_>) -> Vec<String> {
    let mut pairs: Vec<(Field<'_>, String, String)> = Vec::new();
    if field.is_list() {
        for item in field.items().unwrap_or_default() {
            let Some(text) = item.text() else { continue };
            let (host, address) = text.split_once('=').or_else(|| text.split_once(':')).unwrap_or((&text, ""));
            pairs.push((item.clone(), host.to_owned(), address.to_owned()));
        }
    } else {
        for (host, value) in field.entries().unwrap_or_default() {
            pairs.extend(value.texts().into_iter().map(|address| (value.clone(), host.to_owned(), address)));
        }
    }
    let mut lines = Vec::new();
    for (field, host, addresses) in pairs {
        for address in addresses.split(',') {
            let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
            let is_address = bare == "host-gateway" || bare.parse::<std::net::IpAddr>().is_ok();
            if host.is_empty() || host.contains([':', '=']) || !is_address {
                field.error(
                    format!("`{host}` with `{address}` is no host with its address"),
                    "such as `db.local=10.1.0.5`",
                );
            }
            lines.push(format!("{host}:{bare}"));
        }
    }
    lines
}
