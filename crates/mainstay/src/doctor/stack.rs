//! What is wrong with the file: it works, and will hurt one day.

use mainstay_plan::planner::is_meant_to_end;
use mainstay_plan::stack::{Mount, Port, Restart, Service, Stack, UpdateOrder};

use super::Finding;

/// Ports of databases and of other things that trust whoever reaches them.
const INNER_PORTS: [u16; 10] = [2375, 3306, 5432, 6379, 9090, 9093, 9200, 11211, 15672, 27017];

/// Images of databases, which need longer than 10 s to stop well.
const DATABASES: [&str; 5] = ["postgres", "mysql", "mariadb", "mongo", "timescale"];

/// Looks at every service.
pub(crate) fn examine(stack: &Stack) -> Vec<Finding> {
    let mut findings = Vec::new();
    for service in stack.services.values() {
        let checks = [
            published(service),
            no_health_check(stack, service),
            no_limits(service),
            start_first_with_state(service),
            short_grace(service),
            not_restarted(stack, service),
            unbounded_logs(service),
            engine_socket(service),
        ];
        findings.extend(checks.into_iter().flatten());
    }
    findings
}

fn everywhere(port: &Port) -> bool {
    port.host_ip.as_deref().is_none_or(|ip| ["0.0.0.0", "::", ""].contains(&ip))
}

fn published(service: &Service) -> Option<Finding> {
    let keeps_data = service.run.mounts.iter().any(|mount| matches!(mount, Mount::Volume { read_only: false, .. }));
    let unsafe_port = |port: &&Port| everywhere(port) && (keeps_data || INNER_PORTS.contains(&port.target));
    let port = service.run.ports.iter().find(unsafe_port)?;
    Some(Finding::warning(
        format!(
            "service `{}` publishes port {} on every address of the host, past its firewall (Docker's rules go before ufw's)",
            service.name, port.target
        ),
        format!("take the port away, or publish it on this machine alone: `127.0.0.1:{0}:{0}`", port.target),
    ))
}

fn no_health_check(stack: &Stack, service: &Service) -> Option<Finding> {
    let has = service.run.healthcheck.as_ref().is_some_and(|check| check.test.is_some() && !check.is_disabled());
    // The image may bring one; a built one is ours to know.
    (!has && !is_meant_to_end(stack, service)).then(|| {
        Finding::warning(
            format!("service `{}` has no health check in the file: nobody knows whether it can serve", service.name),
            "add a `healthcheck` with a `test` that answers like a user's request",
        )
    })
}

fn no_limits(service: &Service) -> Option<Finding> {
    service.run.resources.memory_bytes.is_none().then(|| {
        Finding::warning(
            format!("service `{}` has no memory limit: a leak in it takes the whole machine down", service.name),
            "set `deploy.resources.limits.memory` (or `mem_limit`)",
        )
    })
}

fn start_first_with_state(service: &Service) -> Option<Finding> {
    let state = service.holds_state()?;
    (service.update.order == Some(UpdateOrder::StartFirst)).then(|| {
        Finding::warning(
            format!("service `{}` asks to roll start-first, and two of it cannot run at once: {state}", service.name),
            "say `order: stop-first`, or move the state out of the service",
        )
    })
}

fn short_grace(service: &Service) -> Option<Finding> {
    const LEAST_MS: u64 = 60_000;
    let is_database = DATABASES.iter().any(|name| service.image.contains(name));
    (is_database && service.run.stop_grace_period_ms.unwrap_or(10_000) < LEAST_MS).then(|| {
        Finding::warning(
            format!(
                "service `{}` looks like a database, and is killed when it has not stopped soon enough",
                service.name
            ),
            "set `stop_grace_period: 2m`, so that it can write its last checkpoint",
        )
    })
}

fn not_restarted(stack: &Stack, service: &Service) -> Option<Finding> {
    (service.run.restart == Restart::No && !is_meant_to_end(stack, service)).then(|| {
        Finding::warning(
            format!("service `{}` is not started again after a crash or a reboot", service.name),
            "set `restart: unless-stopped`",
        )
    })
}

fn unbounded_logs(service: &Service) -> Option<Finding> {
    let bounded = service.run.logging.as_ref().is_some_and(|logging| {
        !["", "json-file"].contains(&logging.driver.as_str()) || logging.options.contains_key("max-size")
    });
    (!bounded).then(|| {
        Finding::warning(
            format!("service `{}` may fill the disk with its log", service.name),
            "set `logging: {driver: local}`, or `options: {max-size: 10m, max-file: \"3\"}`",
        )
    })
}

fn engine_socket(service: &Service) -> Option<Finding> {
    let mounts = &service.run.mounts;
    let has = mounts.iter().any(|mount| matches!(mount, Mount::Bind { source, .. } if source.ends_with("docker.sock")));
    has.then(|| {
        Finding::warning(
            format!("service `{}` is given the engine's socket: who takes it over owns the machine", service.name),
            "give it to one service that strangers cannot reach, or to none",
        )
    })
}
