//! `deploy`: replicas, limits, restart, update policy.

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

/// Why a key is passed over.
const SWARM: &str = "it means something only in a Swarm";

const UPDATE_KEYS: [&str; 6] = ["parallelism", "delay", "failure_action", "monitor", "max_failure_ratio", "order"];

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
    field.passed_over(&["endpoint_mode", "labels", "placement", "rollback_config"], SWARM);
    let mut deploy = Deploy::default();
    for (key, value) in field.entries().unwrap_or_default() {
        match key {
            "replicas" => deploy.replicas = replicas(&value),
            "resources" => deploy.resources = resources(&value),
            "restart_policy" => deploy.restart = restart_policy(&value),
            "update_config" => deploy.update = update(&value),
            "mode" => mode(&value),
            "rollback_config" => value.only(&UPDATE_KEYS),
            "placement" => value.only(&["constraints", "preferences", "max_replicas_per_node"]),
            _ => {}
        }
    }
    deploy
}

fn mode(field: &Field<'_>) {
    let known = [("replicated", false), ("global", true)];
    if field.choice("mode that is supported", &known) == Some(true) {
        field.warning("`mode: global` is one replica on one machine", "leave it out, or set `replicas`");
    }
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
    if let Some(limits) = field.get("limits") {
        limits.only(&["cpus", "memory", "pids"]);
        resources.nano_cpus = limits.get("cpus").and_then(|cpus| cpus.nano_cpus());
        resources.memory_bytes = limits.get("memory").and_then(|memory| memory.bytes());
        resources.pids = limits.get("pids").and_then(|pids| pids.number());
    }
    if let Some(reservations) = field.get("reservations") {
        reservations.only(&["cpus", "memory"]);
        resources.memory_reservation_bytes = reservations.get("memory").and_then(|memory| memory.bytes());
        if let Some(cpus) = reservations.get("cpus") {
            cpus.nano_cpus();
            cpus.warning(format!("`cpus` is passed over: {SWARM}"), "use `cpu_shares`");
        }
    }
    resources
}

/// `deploy.restart_policy` goes before `restart`; `delay` and `window` are a Swarm's.
fn restart_policy(field: &Field<'_>) -> Option<Restart> {
    field.only(&["condition", "delay", "max_attempts", "window"]);
    for key in ["delay", "window"] {
        if let Some(value) = field.get(key) {
            value.duration_ms();
        }
    }
    field.passed_over(&["delay", "window"], SWARM);
    // The last three are of `restart`, and Docker Compose takes them here too.
    let conditions = [
        ("any", Restart::Always),
        ("none", Restart::No),
        ("on-failure", on_failure(0)),
        ("always", Restart::Always),
        ("no", Restart::No),
        ("unless-stopped", Restart::UnlessStopped),
    ];
    let restart = match field.get("condition").filter(|condition| !condition.is_empty()) {
        Some(condition) => condition.choice("condition", &conditions)?,
        None => Restart::Always,
    };
    let attempts = field.get("max_attempts");
    match (restart, attempts) {
        (Restart::OnFailure { .. }, Some(attempts)) => Some(on_failure(attempts.number()?)),
        (_, Some(attempts)) => {
            attempts.warning("`max_attempts` counts only with `condition: on-failure`", "");
            Some(restart)
        }
        (_, None) => Some(restart),
    }
}

fn on_failure(max_retries: u32) -> Restart {
    Restart::OnFailure { max_retries }
}

/// `restart`.
pub(super) fn restart(field: &Field<'_>) -> Option<Restart> {
    let text = field.word()?;
    if let Some(retries) = text.strip_prefix("on-failure:")
        && let Ok(max_retries) = retries.parse()
    {
        return Some(Restart::OnFailure { max_retries });
    }
    let policies = [
        ("no", Restart::No),
        ("always", Restart::Always),
        ("unless-stopped", Restart::UnlessStopped),
        ("on-failure", on_failure(0)),
    ];
    field.choice("restart policy", &policies)
}

/// What to do when an update fails is no setting here: it stops, and what ran before goes on.
fn update(field: &Field<'_>) -> UpdatePolicy {
    field.only(&UPDATE_KEYS);
    let reason = "a replica that does not become ready always gives way to the old one";
    field.passed_over(&["delay"], reason);
    let mut policy = UpdatePolicy::default();
    for (key, value) in field.entries().unwrap_or_default() {
        match key {
            "parallelism" => policy.parallelism = value.number().unwrap_or(policy.parallelism),
            "delay" => drop(value.duration_ms()),
            "monitor" => policy.monitor_ms = value.duration_ms(),
            "max_failure_ratio" => policy.tolerated_permille = permille(&value),
            "order" => {
                let orders = [("start-first", UpdateOrder::StartFirst), ("stop-first", UpdateOrder::StopFirst)];
                policy.order = value.choice("order", &orders);
            }
            "failure_action" => {
                let actions = [("rollback", true), ("pause", true), ("continue", false)];
                if value.choice("action", &actions) == Some(false) {
                    value.warning("an update that fails does not continue here: it stops", "say `rollback`");
                }
            }
            _ => {}
        }
    }
    policy
}

/// A ratio such as `0.05`, in one of a thousand.
fn permille(field: &Field<'_>) -> Option<u64> {
    let ratio: f64 = field.number()?;
    if !(0.0..=1.0).contains(&ratio) {
        field.error("a ratio is between 0 and 1", "such as `0.05` for one in twenty");
        return None;
    }
    // In range, so nothing is cut off but the fraction.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
    Some((ratio * 1000.0).round() as u64)
}
