//! `deploy` and its older spellings: replicas, limits, restart, update policy.

use indexmap::IndexMap;

use super::environment;
use super::field::Field;
use crate::stack::{Resources, Restart, UpdateOrder, UpdatePolicy};

/// What `deploy` says, as far as it says anything.
#[derive(Debug, Default)]
pub(super) struct Deploy {
    pub(super) replicas: Option<u32>,
    pub(super) restart: Option<Restart>,
    pub(super) update: UpdatePolicy,
    pub(super) resources: Resources,
}

/// More replicas on one box are a slip of the keyboard.
const MOST_REPLICAS: u32 = 100;

pub(super) fn of_service(field: &Field<'_>) -> Deploy {
    field.only(&[
        "replicas",
        "resources",
        "restart_policy",
        "update_config",
        "rollback_config",
        "labels",
        "mode",
        "placement",
        "endpoint_mode",
    ]);
    let mut deploy = Deploy::default();
    for (key, value) in field.entries().unwrap_or_default() {
        match key {
            "replicas" => deploy.replicas = replicas(&value),
            "resources" => deploy.resources = resources(&value),
            "restart_policy" => deploy.restart = restart_policy(&value),
            "update_config" => deploy.update = update(&value),
            "mode" if value.scalar() == Some("replicated") => {}
            "mode" => value.error("only `mode: replicated` is supported", ""),
            "placement" | "endpoint_mode" | "rollback_config" | "labels" => {
                value.warning(format!("`{key}` means something only in a Swarm, and is passed over"), "");
            }
            _ => {}
        }
    }
    deploy
}

/// A number of replicas.
pub(super) fn replicas(field: &Field<'_>) -> Option<u32> {
    let number: u32 = field.number()?;
    if number > MOST_REPLICAS {
        field.error(format!("{number} replicas are more than {MOST_REPLICAS}"), "");
        return None;
    }
    Some(number)
}

fn resources(field: &Field<'_>) -> Resources {
    field.only(&["limits", "reservations"]);
    let mut resources = Resources::default();
    let entries = field.entries().unwrap_or_default();
    if let Some(limits) = entries.get("limits") {
        limits.only(&["cpus", "memory", "pids"]);
        let entries = limits.entries().unwrap_or_default();
        resources.nano_cpus = entries.get("cpus").and_then(Field::nano_cpus);
        resources.memory_bytes = entries.get("memory").and_then(Field::bytes);
        resources.pids = entries.get("pids").and_then(Field::number);
    }
    if let Some(reservations) = entries.get("reservations") {
        reservations.only(&["cpus", "memory", "devices", "generic_resources"]);
        let entries = reservations.entries().unwrap_or_default();
        resources.memory_reservation_bytes = entries.get("memory").and_then(Field::bytes);
        if let Some(cpus) = entries.get("cpus") {
            cpus.warning("a reservation of processor time means something only in a Swarm", "use `cpu_shares`");
        }
        for key in ["devices", "generic_resources"] {
            if let Some(devices) = entries.get(key) {
                devices.key_error(format!("`{key}` is not supported"), "");
            }
        }
    }
    resources
}

/// `deploy.restart_policy` goes before `restart`; `delay` and `window` are a Swarm's.
fn restart_policy(field: &Field<'_>) -> Option<Restart> {
    field.only(&["condition", "delay", "max_attempts", "window"]);
    let entries = field.entries()?;
    for key in ["delay", "window"] {
        if let Some(value) = entries.get(key) {
            value.warning(format!("`{key}` means something only in a Swarm, and is passed over"), "");
        }
    }
    let condition = entries.get("condition");
    match condition.and_then(Field::scalar) {
        None | Some("any") => Some(Restart::Always),
        Some("none") => Some(Restart::No),
        Some("on-failure") => {
            let max_retries = entries.get("max_attempts").and_then(Field::number).unwrap_or(0);
            Some(Restart::OnFailure { max_retries })
        }
        Some(other) => {
            condition?.error(format!("`{other}` is no condition"), "`none`, `on-failure` and `any` are");
            None
        }
    }
}

/// `restart`.
pub(super) fn restart(field: &Field<'_>) -> Option<Restart> {
    let text = field.text()?;
    match text.split_once(':').unwrap_or((&text, "")) {
        ("no" | "false", "") => Some(Restart::No),
        ("always", "") => Some(Restart::Always),
        ("unless-stopped", "") => Some(Restart::UnlessStopped),
        ("on-failure", "") => Some(Restart::OnFailure { max_retries: 0 }),
        ("on-failure", retries) if retries.parse::<u32>().is_ok() => {
            Some(Restart::OnFailure { max_retries: retries.parse().unwrap_or(0) })
        }
        _ => {
            field.error(
                format!("`{text}` is no restart policy"),
                "`no`, `always`, `unless-stopped` and `on-failure[:N]` are",
            );
            None
        }
    }
}

fn update(field: &Field<'_>) -> UpdatePolicy {
    field.only(&["parallelism", "delay", "failure_action", "monitor", "max_failure_ratio", "order"]);
    field.passed_over(
        &["delay", "failure_action", "monitor", "max_failure_ratio"],
        "a replica that does not become ready always gives way to the old one",
    );
    let mut policy = UpdatePolicy::default();
    for (key, value) in field.entries().unwrap_or_default() {
        match key {
            "parallelism" => policy.parallelism = value.number().unwrap_or(policy.parallelism),
            "order" => policy.order = order(&value),
            _ => {}
        }
    }
    policy
}

fn order(field: &Field<'_>) -> Option<UpdateOrder> {
    match field.scalar() {
        Some("start-first") => Some(UpdateOrder::StartFirst),
        Some("stop-first") => Some(UpdateOrder::StopFirst),
        _ => {
            field.error("an order is `start-first` or `stop-first`", "");
            None
        }
    }
}

/// The older spellings, beside `deploy.resources`, which goes before them.
pub(super) fn older_limits(entries: &IndexMap<&str, Field<'_>>, resources: &mut Resources) {
    let get = |key: &str| entries.get(key);
    let bytes = |key: &str| get(key).and_then(Field::bytes);
    resources.memory_bytes = resources.memory_bytes.or_else(|| bytes("mem_limit"));
    resources.memory_reservation_bytes = resources.memory_reservation_bytes.or_else(|| bytes("mem_reservation"));
    resources.memory_swap_bytes = get("memswap_limit").and_then(swap);
    resources.nano_cpus = resources.nano_cpus.or_else(|| get("cpus").and_then(Field::nano_cpus));
    resources.cpu_shares = get("cpu_shares").and_then(Field::number);
    resources.cpuset = get("cpuset").and_then(Field::text);
    resources.pids = resources.pids.or_else(|| get("pids_limit").and_then(Field::number));
    resources.shm_bytes = bytes("shm_size");
    for (name, limit) in get("ulimits").and_then(Field::entries).unwrap_or_default() {
        if let Some(pair) = ulimit(&limit) {
            resources.ulimits.insert(name.to_owned(), pair);
        }
    }
}

/// A size, or -1 for as much as there is.
fn swap(field: &Field<'_>) -> Option<i64> {
    if field.scalar() == Some("-1") { Some(-1) } else { field.bytes().and_then(|bytes| i64::try_from(bytes).ok()) }
}

fn ulimit(field: &Field<'_>) -> Option<(i64, i64)> {
    if !field.is_map() {
        let both = field.number()?;
        return Some((both, both));
    }
    field.only(&["soft", "hard"]);
    let entries = field.entries()?;
    let get = |key: &str| entries.get(key).and_then(Field::number::<i64>);
    let (soft, hard) = (get("soft"), get("hard"));
    Some((soft.or(hard)?, hard.or(soft)?))
}

/// Labels of a container.
pub(super) fn labels(field: &Field<'_>) -> IndexMap<String, String> {
    environment::texts(field)
}
