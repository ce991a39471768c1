//! What Prometheus reads: the ledger, the targets and the limits as they are now. Nothing is kept for it, so that a
//! request pays nothing for being measured.

mod server;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use crate::balance::{Phase, Services};
use crate::ledger::{BUCKETS_MS, End, Snapshot};
use crate::server::Shared;
pub use server::serve;
use text::{Kind, Text};

/// Gives the name of each certificate, and until when it is valid, in seconds since 1970.
pub type Certificates = Arc<dyn Fn() -> Vec<(String, u64)> + Send + Sync>;

/// What does not change while the edge runs, and what is asked of others.
#[derive(Clone)]
pub struct Sources {
    shared: Arc<Shared>,
    certificates: Certificates,
    started: f64,
}

impl std::fmt::Debug for Sources {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Sources").field("started", &self.started).finish_non_exhaustive()
    }
}

impl Sources {
    /// The sources of a process that starts now.
    #[must_use]
    pub fn new(shared: Arc<Shared>, certificates: Certificates) -> Self {
        let started = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs_f64();
        Self { shared, certificates, started }
    }

    /// All metrics now.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = Text::default();
        process(&mut text, self.started);
        requests(&mut text, &self.shared.ledger.snapshot());
        targets(&mut text, &self.shared.balancer.services());
        now(&mut text, &self.shared);
        certificates(&mut text, &(self.certificates)());
        text.end()
    }
}

fn process(text: &mut Text, started: f64) {
    text.head("edge_build_info", Kind::Gauge, "The edge that runs.");
    text.sample("edge_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    text.head("process_start_time_seconds", Kind::Gauge, "When the edge started, in seconds since 1970.");
    text.sample("process_start_time_seconds", &[], started);
}

fn requests(text: &mut Text, ledger: &BTreeMap<String, BTreeMap<String, Snapshot>>) {
    let mut all = Vec::new();
    for (service, releases) in ledger {
        for (release, counts) in releases {
            all.push(([("service", service.as_str()), ("release", release.as_str())], counts));
        }
    }
    let name = "edge_requests_total";
    text.head(name, Kind::Counter, "Requests that have ended, by what the client got and how it ended.");
    for ([service, release], counts) in &all {
        for (end, classes) in End::ALL.iter().zip(&counts.requests) {
            let is_shown = |(class, count): &(usize, &u64)| **count > 0 || FROM_THE_START.contains(&(*end, *class));
            for (class, count) in classes.iter().enumerate().filter(is_shown) {
                let labels = [*service, *release, ("class", CLASS[class]), ("outcome", outcome(*end, class))];
                text.sample(name, &labels, count);
            }
        }
    }
    let name = "edge_request_duration_seconds";
    text.head(name, Kind::Histogram, "Time until the answer began.");
    for (labels, counts) in &all {
        histogram(text, *labels, counts);
    }
    let held = |counts: &Snapshot| counts.held;
    let retried = |counts: &Snapshot| counts.retried;
    for (name, help, count) in [
        ("edge_requests_held_total", "Requests that waited for a target.", held as fn(&Snapshot) -> u64),
        ("edge_requests_retried_total", "Requests that were sent to a target more than once.", retried),
    ] {
        text.head(name, Kind::Counter, help);
        for (labels, counts) in &all {
            text.sample(name, labels, count(counts));
        }
    }
}

/// Series that are there before anything of the kind has happened: Prometheus sees no rise from nothing to one.
const FROM_THE_START: [(End, usize); 4] =
    [(End::Answered, 2), (End::Answered, 5), (End::Failed, 5), (End::BrokenOff, 2)];

const CLASS: [&str; crate::ledger::CLASSES] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

fn outcome(end: End, class: usize) -> &'static str {
    match end {
        End::Answered if class == 5 => "error",
        End::Answered => "answered",
        End::Failed => "failed",
        End::BrokenOff => "broken_off",
        End::Refused => "refused",
    }
}

fn histogram(text: &mut Text, [service, release]: [(&str, &str); 2], counts: &Snapshot) {
    let mut sum = 0;
    for (index, count) in counts.latency.iter().enumerate() {
        sum += count;
        let bound = BUCKETS_MS.get(index).map_or("+Inf".to_owned(), |ms| (*ms as f64 / 1_000.0).to_string());
        text.sample("edge_request_duration_seconds_bucket", &[service, release, ("le", &bound)], sum);
    }
    let seconds = counts.latency_sum_us as f64 / 1_000_000.0;
    text.sample("edge_request_duration_seconds_sum", &[service, release], seconds);
    text.sample("edge_request_duration_seconds_count", &[service, release], sum);
}

fn targets(text: &mut Text, services: &Services) {
    // An old target that drains may have the name of a new one: they are one series.
    let mut in_flight: BTreeMap<[&str; 3], usize> = BTreeMap::new();
    let mut phases = BTreeSet::new();
    let places: Vec<_> = services
        .iter()
        .flat_map(|(service, found)| found.members.iter().map(move |member| (service, member)))
        .map(|(service, member)| (service, format!("{}:{}", member.target.name, member.target.port), member))
        .collect();
    for (service, place, member) in &places {
        let key = [service.as_str(), place.as_str(), member.target.release.as_str()];
        *in_flight.entry(key).or_default() += member.target.in_flight();
        phases.insert((key, phase(member.health.phase())));
    }
    let name = "edge_target_in_flight";
    text.head(name, Kind::Gauge, "Requests that a target has now.");
    for ([service, target, release], count) in in_flight {
        text.sample(name, &[("service", service), ("target", target), ("release", release)], count);
    }
    let name = "edge_target_phase";
    text.head(name, Kind::Gauge, "Where a target is on its way: 1 in the phase that it is in.");
    for ([service, target, release], phase) in phases {
        text.sample(name, &[("service", service), ("target", target), ("release", release), ("phase", phase)], 1);
    }
    let name = "edge_service_held";
    text.head(name, Kind::Gauge, "Whether an operator lets requests wait.");
    for (service, found) in services {
        text.sample(name, &[("service", service)], u8::from(found.held));
    }
    let name = "edge_service_maintenance";
    text.head(name, Kind::Gauge, "Whether an operator has closed the service.");
    for (service, found) in services {
        text.sample(name, &[("service", service)], u8::from(found.maintenance));
    }
}

fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Adding => "adding",
        Phase::Healthy => "healthy",
        Phase::Unhealthy => "unhealthy",
        Phase::Draining => "draining",
    }
}

fn now(text: &mut Text, shared: &Shared) {
    text.head("edge_requests_held", Kind::Gauge, "Requests that wait for a target now.");
    text.sample("edge_requests_held", &[], shared.held.load(Ordering::Relaxed));
    text.head("edge_client_connections", Kind::Gauge, "Connections of clients that are open now.");
    text.sample("edge_client_connections", &[], shared.connections.load(Ordering::Relaxed));
    text.head("edge_clients", Kind::Gauge, "Clients that are told apart for their limits now.");
    text.sample("edge_clients", &[], shared.clients.count());
    text.head("edge_limit_hits_total", Kind::Counter, "How often a limit was hit.");
    for (limit, count) in shared.hits.all() {
        text.sample("edge_limit_hits_total", &[("limit", limit)], count);
    }
}

fn certificates(text: &mut Text, certificates: &[(String, u64)]) {
    let name = "edge_certificate_not_after_seconds";
    text.head(name, Kind::Gauge, "Until when a certificate is valid, in seconds since 1970.");
    for (certificate, not_after) in certificates {
        text.sample(name, &[("name", certificate)], not_after);
    }
}

#[cfg(test)]
mod tests;
