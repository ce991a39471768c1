//! Releases: what was changed, when, by whom, and how it went. Each is a file of the store, so that every machine with
//! the same engine sees the same ones.
//!
//! `record` is what is kept, `origin` says who and from which commit, `back` finds what can be gone back to.

pub(crate) mod back;
pub(crate) mod origin;
mod record;

use std::time::SystemTime;

use mainstay_plan::spec::StoreFile;

use crate::engine::Engine;
use crate::error::{Error, Result};
pub(crate) use record::{Changed, Migrated, Outcome, Record, Schema, StepTaken, Version};

/// The folder of the store that they are in.
const FOLDER: &str = "releases";

/// So many are kept; the next takes the oldest one's place. A folder that only grows would be read on every run.
const MOST_RELEASES: u32 = 200;

/// The releases that are known, oldest first. One that cannot be read is passed over: it must not keep anybody from
/// deploying the next.
///
/// # Errors
///
/// The store cannot be read.
pub(crate) async fn read(engine: &impl Engine, project: &str) -> Result<Vec<Record>> {
    let files = engine.read_stored_folder(project, FOLDER).await?;
    let mut records: Vec<Record> = files.values().filter_map(|content| serde_json::from_slice(content).ok()).collect();
    records.sort_by_key(|record| record.number);
    Ok(records)
}

/// Keeps a release, over an earlier state of the same one.
///
/// # Errors
///
/// The store cannot be written.
pub(crate) async fn write(engine: &impl Engine, project: &str, record: &Record) -> Result<()> {
    let name = format!("{FOLDER}/{:03}.json", record.number % MOST_RELEASES);
    // It holds the environment of containers, which may hold what nobody else is to read.
    let file = StoreFile { name, uid: 0, gid: 0, mode: 0o600 };
    let content = serde_json::to_vec(record).map_err(|error| Error::new(format!("write a release: {error}")))?;
    engine.write_stored(project, &file, &content).await
}

/// This moment, as it stands in a record.
pub(crate) fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}
