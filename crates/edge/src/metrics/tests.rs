//! The text is what Prometheus understands, whatever the names are.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::balance::{Change, Finding};
use crate::ledger::Outcome;
use crate::route::Routes;
use crate::server::Log;
use crate::settings::Settings;

#[derive(Debug)]
struct Nowhere;

impl Log for Nowhere {
    fn write(&self, _: Vec<u8>) {}
}

fn shared() -> Arc<Shared> {
    Arc::new(Shared::new(Services::new(), Routes::default(), Settings::default(), Box::new(Nowhere)))
}

fn sources(shared: &Arc<Shared>) -> Sources {
    Sources::new(Arc::clone(shared), Arc::new(|| vec![("example.org".to_owned(), 1_800_000_000)]))
}

/// Reads the text as strictly as Prometheus does; each sample's value by its name and labels.
fn read(text: &str) -> BTreeMap<String, f64> {
    let (mut samples, mut heads, mut family) = (BTreeMap::new(), BTreeSet::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a name and a kind");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(heads.insert(name.to_owned()), "{name} has two heads");
            family = name.to_owned();
            continue;
        }
        if line.starts_with("# HELP ") {
            continue;
        }
        let (sample, value) = line.rsplit_once(' ').expect("a sample and a value");
        let name = sample.split('{').next().expect("a name");
        let parts = ["", "_bucket", "_sum", "_count"].map(|part| format!("{family}{part}"));
        assert!(parts.iter().any(|part| part == name), "{name} stands under {family}");
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{name}");
        let value = value.parse::<f64>().expect("a number");
        assert!(samples.insert(sample.to_owned(), value).is_none(), "{sample} stands there twice");
    }
    samples
}

fn outcome(end: End, status: u16, ms: u64) -> Outcome {
    Outcome { end, status, latency: Duration::from_millis(ms), held: true, retried: false }
}

#[test]
fn what_was_counted_is_there() {
    let shared = shared();
    let counts = shared.ledger.of("app", "1");
    for (end, status, ms) in [
        (End::Answered, 200, 1),
        (End::Answered, 204, 3),
        (End::Answered, 500, 20_000),
        (End::BrokenOff, 200, 2),
        (End::Failed, 502, 2),
        (End::Refused, 429, 0),
    ] {
        counts.count(outcome(end, status, ms));
    }
    let samples = read(&sources(&shared).text());
    let requests = |class: &str, outcome: &str| {
        samples
            [&format!("edge_requests_total{{service=\"app\",release=\"1\",class=\"{class}\",outcome=\"{outcome}\"}}")]
    };
    let _ = shared.ledger.of("app", "2");
    assert!(sources(&shared).text().contains("release=\"2\",class=\"5xx\",outcome=\"error\"} 0\n"));
    assert_eq!(requests("2xx", "answered"), 2.0);
    assert_eq!(requests("5xx", "error"), 1.0);
    assert_eq!(requests("2xx", "broken_off"), 1.0);
    assert_eq!(requests("5xx", "failed"), 1.0);
    assert_eq!(requests("4xx", "refused"), 1.0);
    let of = |part: &str, le: &str| {
        samples[&format!("edge_request_duration_seconds_{part}{{service=\"app\",release=\"1\"{le}}}")]
    };
    assert_eq!(of("bucket", ",le=\"0.001\""), 1.0);
    assert_eq!(of("bucket", ",le=\"0.002\""), 3.0);
    assert_eq!(of("bucket", ",le=\"10\""), 4.0);
    assert_eq!((of("bucket", ",le=\"+Inf\""), of("count", "")), (5.0, 5.0));
    assert_eq!(of("sum", ""), 20.008);
    assert_eq!(samples["edge_requests_held_total{service=\"app\",release=\"1\"}"], 6.0);
    assert_eq!(samples["edge_certificate_not_after_seconds{name=\"example.org\"}"], 1_800_000_000.0);
    assert_eq!(samples["edge_limit_hits_total{limit=\"client_rate\"}"], 0.0);
}

#[test]
fn two_targets_of_one_name_are_one_series() {
    let shared = shared();
    let add = Change::Add { service: "app".into(), name: "a".into(), port: 80, release: "1".into() };
    let drain = Change::Drain { service: "app".into(), name: "a".into() };
    let hold = Change::Hold { service: "app".into() };
    let services = shared.balancer.apply(std::slice::from_ref(&add)).expect("it is added");
    let _ = shared.balancer.learn(&services["app"].members[0].target, Finding::Ready);
    let _ = shared.balancer.apply(&[drain, add, hold]).expect("there is another one");
    let samples = read(&sources(&shared).text());
    let labels = "service=\"app\",target=\"a:80\",release=\"1\"";
    assert_eq!(samples[&format!("edge_target_in_flight{{{labels}}}")], 0.0);
    for phase in ["adding", "draining"] {
        assert_eq!(samples[&format!("edge_target_phase{{{labels},phase=\"{phase}\"}}")], 1.0);
    }
    assert_eq!(samples["edge_service_held{service=\"app\"}"], 1.0);
}

#[test]
fn the_document_lists_every_metric_and_limit() {
    let text = include_str!("../../../../docs/edge.md");
    let shared = shared();
    for line in sources(&shared).text().lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().expect("a name");
        assert!(text.contains(&format!("\n| `{name}`")), "{name} is not listed");
    }
    for (limit, _) in shared.hits.all() {
        assert!(text.contains(&format!("`{limit}`")), "{limit} is not listed");
    }
}

proptest::proptest! {
    #[test]
    fn no_name_breaks_the_text(service in ".{0,9}", release in "[\"\\\\\n}{a,= ]{0,9}") {
        let shared = shared();
        shared.ledger.of(&service, &release).count(outcome(End::Answered, 200, 1));
        let text = sources(&shared).text();
        // A line is a head, or a name, labels and a value.
        for line in text.split('\n').filter(|line| !line.is_empty()) {
            proptest::prop_assert!(line.starts_with("# ") || line.starts_with("edge_") || line.starts_with("process_"));
            proptest::prop_assert!(line.starts_with('#') || line.rsplit(' ').next().is_some_and(|v| v.parse::<f64>().is_ok()));
        }
    }
}
