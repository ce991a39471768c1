//! What `/metrics` says, in the text format that Prometheus reads.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// Upper bounds in seconds. 0.25 is the objective (99 % within it), and has to be a bound to be read exactly; 10 is the
/// request deadline.
const LATENCY_BOUNDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The git revision, when the build was told it.
const REVISION: &str = match option_env!("GIT_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// One request, counted by what keeps the number of series small: the route's template, never the path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    purpose: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PurposeLabels {
    purpose: &'static str,
}

/// Everything that is counted.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    latency: Family<RouteLabels, Histogram>,
    pub(crate) in_flight: Gauge,
    calls: Family<CallLabels, Counter>,
    call_latency: Family<PurposeLabels, Histogram>,
    connections: Family<PurposeLabels, Gauge>,
    pub(crate) database_retries: Counter<u64, AtomicU64>,
    pub(crate) event_streams: Gauge,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("todomvc"),
            requests: Family::default(),
            latency: Family::new_with_constructor(|| Histogram::new(LATENCY_BOUNDS)),
            in_flight: Gauge::default(),
            calls: Family::default(),
            call_latency: Family::new_with_constructor(|| Histogram::new(LATENCY_BOUNDS)),
            connections: Family::default(),
            database_retries: Counter::default(),
            event_streams: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let Self { registry, requests, latency, in_flight, event_streams, .. } = self;
        registry.register("http_requests", "Requests answered", requests.clone());
        registry.register(
            "http_request_duration_seconds",
            "Time from a request's head to its answer's head",
            latency.clone(),
        );
        registry.register("http_requests_in_flight", "Requests being answered", in_flight.clone());
        registry.register("event_streams", "Open event streams", event_streams.clone());
        registry.register("build", "The running build", Info::new([("version", VERSION), ("revision", REVISION)]));
        self.register_database();
    }

    fn register_database(&mut self) {
        let Self { registry, calls, call_latency, connections, database_retries, .. } = self;
        registry.register("database_calls", "Database calls ended, by how they ended", calls.clone());
        registry.register(
            "database_call_duration_seconds",
            "Time of a database call, waiting for a connection and further attempts included",
            call_latency.clone(),
        );
        registry.register("database_connections", "Open connections to the database", connections.clone());
        registry.register(
            "database_retries",
            "Database calls tried again because the database was away",
            database_retries.clone(),
        );
    }

    /// Counts one request.
    pub(crate) fn answered(&self, method: &'static str, route: &str, status: u16, duration: Duration) {
        let route = route.to_owned();
        self.latency.get_or_create(&RouteLabels { method, route: route.clone() }).observe(duration.as_secs_f64());
        self.requests.get_or_create(&RequestLabels { method, route, status }).inc();
    }

    /// Counts one call of the database.
    pub(crate) fn called(&self, purpose: &'static str, outcome: &'static str, duration: Duration) {
        self.call_latency.get_or_create(&PurposeLabels { purpose }).observe(duration.as_secs_f64());
        self.calls.get_or_create(&CallLabels { purpose, outcome }).inc();
    }

    /// Says how many connections are open now.
    pub(crate) fn connected(&self, purpose: &'static str, connections: usize) {
        let connections = i64::try_from(connections).unwrap_or(i64::MAX);
        self.connections.get_or_create(&PurposeLabels { purpose }).set(connections);
    }

    /// All metrics as text.
    pub(crate) fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
