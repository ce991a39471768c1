//! Waiting until a container is ready, by probes of our own from the first
//! moment: the engine's first probe comes one whole interval after the start.

use std::collections::BTreeMap;
use std::time::Duration;

use mainstay_plan::observed::{Health, State};

use tokio::time::Instant;

use crate::engine::{Engine, Inspected, Progress};
use crate::error::{Error, Result};

/// Between two probes: a probe is a process in the container, and more of them
/// would take the processor from the very thing that we wait for.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// What runs this long without a health check counts as running.
const SETTLE: Duration = Duration::from_millis(500);

/// So many restarts while we wait are a crash loop.
const MOST_RESTARTS: i64 = 3;

/// Waits until the container's health check passes; without one, until it has
/// kept running for a moment, or has ended well and is not to be restarted.
pub(super) async fn ready(engine: &impl Engine, name: &str, timeout_ms: u64, progress: Progress<'_>) -> Result<()> {
    let begun = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut last_words = String::new();
    // Restarts of an earlier day are no crash loop of today.
    let mut restarts_before = None;
    loop {
        let mut now = look(engine, name).await?;
        now.restart_count -= *restarts_before.get_or_insert(now.restart_count);
        match verdict(name, &now, begun.elapsed())? {
            Verdict::Ready => return Ok(()),
            Verdict::Probe => {
                let Some(probe) = &now.probe else { return Ok(()) };
                // A probe that cannot run is one that did not pass: the container may just have ended.
                match engine.probe(name, &probe.argv, probe.timeout_ms).await {
                    Ok(result) if result.passed => return Ok(()),
                    Ok(result) => last_words = result.output,
                    Err(error) => last_words = error.message,
                }
                progress(last_words.lines().next().unwrap_or_default());
            }
            Verdict::Wait => {}
        }
        if begun.elapsed() >= Duration::from_millis(timeout_ms) {
            return Err(timed_out(name, timeout_ms, &last_words));
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

enum Verdict {
    Ready,
    Probe,
    Wait,
}

fn verdict(name: &str, now: &Inspected, waited: Duration) -> Result<Verdict> {
    match now.state {
        _ if now.restart_count >= MOST_RESTARTS => Err(Error::new(format!(
            "container `{name}` was restarted {} times and does not stay up",
            now.restart_count
        ))),
        State::Exited { code: 0 } if !now.restarts && now.probe.is_none() => Ok(Verdict::Ready),
        State::Exited { code } if !now.restarts => Err(ended(name, now, code)),
        State::Running if now.probe.is_some() && now.health == Health::Healthy => Ok(Verdict::Ready),
        State::Running if now.probe.is_some() => Ok(Verdict::Probe),
        State::Running if waited >= SETTLE => Ok(Verdict::Ready),
        State::Paused => {
            Err(Error::new(format!("container `{name}` is paused")).hint(format!("docker unpause {name}")))
        }
        State::Dead => Err(Error::new(format!("container `{name}` is dead: {}", now.error))),
        _ => Ok(Verdict::Wait),
    }
}

async fn look(engine: &impl Engine, name: &str) -> Result<Inspected> {
    engine.inspect_container(name).await?.ok_or_else(|| Error::new(format!("container `{name}` is gone")))
}

/// Completes when one of the containers has ended or does not stay up, with the error that says so.
pub(super) async fn lost(engine: &impl Engine, names: &[String]) -> Error {
    let mut restarts_before = BTreeMap::new();
    loop {
        for name in names {
            // An engine that does not answer now is noticed by who waits for the answer that counts.
            let Ok(Some(mut now)) = engine.inspect_container(name).await else { continue };
            now.restart_count -= *restarts_before.entry(name).or_insert(now.restart_count);
            // A probe is the edge's affair: only what a container does by itself is looked at.
            now.probe = None;
            if let Err(error) = verdict(name, &now, Duration::ZERO) {
                return error;
            }
        }
        tokio::time::sleep(LONGEST_PAUSE).await;
    }
}

fn ended(name: &str, now: &Inspected, code: i64) -> Error {
    let why = match code {
        _ if now.out_of_memory => ": it used more memory than its limit".to_owned(),
        _ if !now.error.is_empty() => format!(": {}", now.error),
        137 => ": it was killed".to_owned(),
        _ => String::new(),
    };
    Error::new(format!("container `{name}` ended with exit code {code}{why}"))
        .hint(format!("its last lines stand above; `docker logs {name}` has them all"))
}

fn timed_out(name: &str, timeout_ms: u64, last_words: &str) -> Error {
    let said = if last_words.is_empty() { String::new() } else { format!("; its health check says: {last_words}") };
    Error::new(format!("container `{name}` was not ready within {} s{said}", timeout_ms / 1000))
        .hint(format!("its last lines stand above; `docker logs {name}` has them all"))
}

/// Waits until the container has ended with exit code 0.
pub(super) async fn completed(engine: &impl Engine, name: &str, timeout_ms: u64) -> Result<()> {
    let begun = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let now = look(engine, name).await?;
        match now.state {
            State::Exited { code: 0 } => return Ok(()),
            State::Exited { code } if !now.restarts || now.restart_count >= MOST_RESTARTS => {
                return Err(ended(name, &now, code));
            }
            _ if begun.elapsed() >= Duration::from_millis(timeout_ms) => {
                return Err(Error::new(format!("container `{name}` did not complete within {} s", timeout_ms / 1000))
                    .hint(format!("`docker logs -f {name}` shows what it is at")));
            }
            _ => tokio::time::sleep(pause).await,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
