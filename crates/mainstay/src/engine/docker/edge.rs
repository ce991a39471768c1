//! The edge, asked by its own command line in its own container: no door of it is on the network, and a remote engine is
//! as near as the one here.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::Docker;
use mainstay_plan::observed::Routed;
use serde_json::json;

use super::super::{EdgeAsk, EdgeReply};
use super::attach;
use crate::error::{Error, Result};

/// Where the edge's image has the program.
const PROGRAM: &str = "/bin/edge";

/// The targets and counts of a large environment.
const MOST_BYTES: usize = 4 << 20;

/// What the engine and the edge may take beyond the time that the asked thing has.
const ALLOWANCE: Duration = Duration::from_secs(30);

pub(super) async fn ask(docker: &Docker, container: &str, ask: &EdgeAsk<'_>) -> Result<EdgeReply> {
    let argv = argv(ask);
    let doing = format!("ask the edge in `{container}`");
    let bound = Duration::from_millis(time(ask)) + ALLOWANCE;
    // A quiet exec is no broken connection: the bound is ours.
    let docker = docker.clone().with_timeout(bound);
    let ran = match tokio::time::timeout(bound, attach::run(&docker, container, &argv, MOST_BYTES, &doing)).await {
        Ok(ran) => ran?,
        Err(_) => return Err(Error::new(format!("{doing}: no answer within {} s", bound.as_secs()))),
    };
    if ran.code != Some(0) {
        return Err(refused(container, &String::from_utf8_lossy(&ran.stderr), ran.code));
    }
    let broken = |error: serde_json::Error| Error::new(format!("{doing}: it answers what is not understood: {error}"));
    match ask {
        EdgeAsk::Targets => {
            serde_json::from_slice::<BTreeMap<String, Routed>>(&ran.stdout).map(EdgeReply::Targets).map_err(broken)
        }
        EdgeAsk::Ledger => serde_json::from_slice(&ran.stdout).map(EdgeReply::Ledger).map_err(broken),
        _ => Ok(EdgeReply::Done(String::from_utf8_lossy(&ran.stdout).trim().to_owned())),
    }
}

/// The edge's own words, which are an error and its hint as ours are.
fn refused(container: &str, said: &str, code: Option<i64>) -> Error {
    let said = said.trim().strip_prefix("error: ").unwrap_or(said.trim());
    let (message, hint) = said.split_once("\n\nhint: ").unwrap_or((said, ""));
    let message = match message.is_empty() {
        true => format!("the edge in `{container}` ended with exit code {}", code.unwrap_or(-1)),
        false => message.to_owned(),
    };
    let hint = match hint.strip_prefix("edge ").map(|rest| format!("`edge {rest}`")).unwrap_or_else(|| hint.to_owned())
    {
        hint if hint.is_empty() => format!("`docker exec {container} edge targets` shows how it stands"),
        hint => hint.replace("`edge ", &format!("`docker exec {container} edge ")),
    };
    Error::new(message).hint(hint)
}

fn argv(ask: &EdgeAsk<'_>) -> Vec<String> {
    let words: Vec<String> = match ask {
        EdgeAsk::Targets => vec!["targets".into(), "--json".into()],
        EdgeAsk::Ledger => vec!["ledger".into(), "--json".into()],
        EdgeAsk::Add { service, release, targets, port } => {
            let mut words = vec!["add".into(), (*service).into(), "--release".into(), (*release).into()];
            words.extend(targets.iter().map(|target| format!("{target}:{port}")));
            words
        }
        EdgeAsk::Ready { service, release, targets, timeout_ms } => {
            let mut words = vec!["ready".into(), "--wait".into(), seconds(*timeout_ms)];
            words.extend([(*service).to_owned(), (*release).to_owned()]);
            words.extend(targets.iter().cloned());
            words
        }
        EdgeAsk::Try { releases, window_ms, tolerated_permille } => {
            let mut words = vec!["try".into(), "--window-ms".into(), window_ms.to_string()];
            words.extend(["--tolerated-permille".into(), tolerated_permille.to_string()]);
            words.extend(releases.iter().map(|(service, release)| format!("{service}={release}")));
            words
        }
        EdgeAsk::Route { routes, force } => {
            let route =
                |(service, shares)| json!({"do": "route", "service": service, "shares": shares, "force": force});
            let changes: Vec<serde_json::Value> = routes.iter().map(route).collect();
            vec!["apply".into(), json!(changes).to_string()]
        }
        EdgeAsk::Retire { service, keep, timeout_ms } => {
            let mut words = vec!["retire".into(), (*service).into(), "--wait".into(), seconds(*timeout_ms)];
            if !keep.is_empty() {
                words.extend(["--keep".into(), keep.join(",")]);
            }
            words
        }
    };
    std::iter::once(PROGRAM.to_owned()).chain(words).collect()
}

/// How long the edge itself may take.
fn time(ask: &EdgeAsk<'_>) -> u64 {
    match ask {
        EdgeAsk::Ready { timeout_ms, .. } | EdgeAsk::Retire { timeout_ms, .. } => *timeout_ms,
        EdgeAsk::Try { window_ms, .. } => *window_ms,
        _ => 0,
    }
}

fn seconds(ms: u64) -> String {
    ms.div_ceil(1000).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edge_s_own_words_are_the_error() {
        let said = "error: release `2` of service `app` is not ready after 60 s\n\nhint: `edge targets` says how each target stands\n";
        let error = refused("shop-edge-1", said, Some(1));
        assert_eq!(error.message, "release `2` of service `app` is not ready after 60 s");
        let hint = "`docker exec shop-edge-1 edge targets` says how each target stands";
        assert_eq!(error.hint.as_deref(), Some(hint));
        assert_eq!(refused("e", "", Some(137)).message, "the edge in `e` ended with exit code 137");
    }

    #[test]
    fn several_services_are_routed_by_one_call() {
        let shares = BTreeMap::from([("2".to_owned(), 1)]);
        let routes = BTreeMap::from([("app".to_owned(), shares.clone()), ("web".to_owned(), shares)]);
        let argv = argv(&EdgeAsk::Route { routes: &routes, force: false });
        assert_eq!(argv[..2], ["/bin/edge", "apply"]);
        assert_eq!(argv[2].matches("\"do\":\"route\"").count(), 2);
    }
}
