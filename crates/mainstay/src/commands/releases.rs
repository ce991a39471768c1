//! `releases`: what was changed, when, by whom, from which commit, and how it went.

use serde_json::{Value, json};

use super::{connect, load_model};
use crate::cli::{Globals, ReleasesArgs};
use crate::error::{Error, Result};
use crate::exit::ExitStatus;
use crate::releases::{self, Outcome, Record};
use crate::report::{self, table};

pub(super) async fn run(globals: &Globals, args: &ReleasesArgs) -> Result<ExitStatus> {
    let stack = load_model(globals)?.stack;
    let engine = connect().await?;
    let records = releases::read(&engine, &stack.project).await?;
    if let Some(number) = args.release {
        let record = records.iter().find(|record| record.number == number).ok_or_else(|| {
            Error::new(format!("there is no release {number}")).hint("`mainstay releases` lists them")
        })?;
        match globals.json {
            true => report::json_line(&shown(record)),
            false => report::data(&receipt(record)),
        }
        return Ok(ExitStatus::Success);
    }
    let newest = &records[records.len().saturating_sub(args.last)..];
    if globals.json {
        newest.iter().for_each(|record| report::json_line(&shown(record)));
    } else if newest.is_empty() {
        report::talk(&format!("{}: nothing was released yet; `mainstay up` makes the first release", stack.project));
    } else {
        report::data(&list(newest));
    }
    Ok(ExitStatus::Success)
}

fn list(records: &[Record]) -> String {
    let row = |record: &Record| {
        let changed: Vec<&str> = record.changed.iter().map(|changed| changed.service.as_str()).collect();
        vec![
            record.number.to_string(),
            record.began.replace('T', " ").trim_end_matches('Z').to_owned(),
            record.who.clone(),
            record.commit.clone().unwrap_or_else(|| "-".to_owned()),
            record.verb.clone(),
            outcome(record),
            changed.join(", "),
        ]
    };
    let rows: Vec<Vec<String>> = records.iter().rev().map(row).collect();
    table::columns(&["RELEASE", "BEGAN (UTC)", "WHO", "COMMIT", "COMMAND", "OUTCOME", "CHANGED"], &rows)
}

fn outcome(record: &Record) -> String {
    match &record.outcome {
        Outcome::Running => "running".to_owned(),
        Outcome::Done => format!("done in {}", seconds(record.took_ms)),
        Outcome::Failed { .. } => "FAILED".to_owned(),
        Outcome::Interrupted => "interrupted".to_owned(),
    }
}

/// `app (2 replicas) in 3.1 s; 812 requests meanwhile, none failed`.
pub(super) fn summary(record: &Record) -> String {
    let changed: Vec<&str> = record.changed.iter().map(|changed| changed.service.as_str()).collect();
    let what = if changed.is_empty() { "nothing made anew".to_owned() } else { changed.join(", ") };
    let back = record.back_to.map(|to| format!(" as in release {to}")).unwrap_or_default();
    let requests = match requests(&record.ledger) {
        (0, _) => String::new(),
        (all, 0) => format!("; {all} requests meanwhile, none failed"),
        (all, failed) => format!("; {all} requests meanwhile, {failed} failed"),
    };
    format!("{what}{back} in {}{requests}", seconds(record.took_ms))
}

/// The receipt, for a person.
fn receipt(record: &Record) -> String {
    let mut text = format!(
        "release {}: {}\nbegan     {} by {}\ncommit    {}\noutcome   {}\n",
        record.number,
        record.verb,
        record.began,
        record.who,
        record.commit.as_deref().unwrap_or("none (no Git repository)"),
        outcome(record),
    );
    if let Outcome::Failed { error } = &record.outcome {
        text += &format!("because   {error}\n");
    }
    if let Some(to) = record.back_to {
        text += &format!("back to   release {to}\n");
    }
    for changed in &record.changed {
        text += &format!("changed   {}: {}\n", changed.service, changed.reason);
    }
    for (service, version) in &record.services {
        text += &format!("runs      {service}: {} (release {})\n", version.spec.image, version.release);
    }
    text += &ledger(&record.ledger);
    for step in &record.steps {
        let took = step.took_ms.map_or_else(|| "not done".to_owned(), seconds);
        text += &format!("  {took:>9}  {}\n", step.title);
    }
    text
}

/// What the edges counted, a line for each release.
fn ledger(ledger: &Value) -> String {
    let mut text = String::new();
    for (service, release, counts) in releases_of(ledger) {
        let count = |name: &str| counts[name].as_u64().unwrap_or(0);
        let release = if release.is_empty() { "none".to_owned() } else { format!("release {release}") };
        text += &format!(
            "counted   {service}, {release}: {} answered, {} of them errors, {} failed, {} held, {} retried\n",
            count("answered"),
            count("errors"),
            count("failed"),
            count("held"),
            count("retried")
        );
    }
    text
}

/// All requests that were counted, and those that failed or were answered with an error.
fn requests(ledger: &Value) -> (u64, u64) {
    let each = releases_of(ledger).into_iter().map(|(_, _, counts)| {
        let count = |name: &str| counts[name].as_u64().unwrap_or(0);
        (count("answered") + count("failed"), count("errors") + count("failed"))
    });
    each.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
}

/// Service, release and counts, of every edge.
fn releases_of(ledger: &Value) -> Vec<(&str, &str, &Value)> {
    let mut all = Vec::new();
    for services in ledger.as_object().into_iter().flat_map(|edges| edges.values()) {
        for (service, releases) in services.as_object().into_iter().flatten() {
            for (release, counts) in releases.as_object().into_iter().flatten() {
                all.push((service.as_str(), release.as_str(), counts));
            }
        }
    }
    all
}

/// A release for programs: without the specifications, which may hold what nobody else is to read.
pub(super) fn shown(record: &Record) -> Value {
    let version = |(name, version): (&String, &releases::Version)| {
        let shown = json!({
            "release": version.release,
            "image": version.spec.image,
            "image_id": version.image_id,
            "config": version.spec.config_hash(),
        });
        (name.clone(), shown)
    };
    let mut value = serde_json::to_value(record).unwrap_or_default();
    value["services"] = Value::Object(record.services.iter().map(version).collect());
    value
}

fn seconds(ms: u64) -> String {
    report::seconds(std::time::Duration::from_millis(ms))
}
