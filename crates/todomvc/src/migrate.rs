//! Brings the database's schema to what this binary knows. See `migrations/README.md` for the rules of the files.

use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;
use tokio_postgres::error::SqlState;

use crate::config::DatabaseConfig;
use crate::database::{Database, Failure, Link, Purpose, connect_within};
use crate::embedded::MIGRATIONS;

/// Two migrations at once take turns by this lock; the number is any that nobody else uses.
const LOCK: &str = "SELECT pg_advisory_lock(7020112358)::text";

const HISTORY: &str = "
    CREATE TABLE IF NOT EXISTS schema_migration (
        version    integer     PRIMARY KEY,
        name       text        NOT NULL,
        checksum   text        NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()
    )";

const APPLIED: &str = "SELECT version, checksum FROM schema_migration ORDER BY version";

const RECORD: &str = "INSERT INTO schema_migration (version, name, checksum) VALUES ($1, $2, $3)";

const NEWEST: &str = "SELECT coalesce(max(version), 0) FROM schema_migration";

/// Why the schema is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database was not there for all the time that was given.
    #[error(transparent)]
    Database(#[from] Failure),
    /// A statement failed.
    #[error("`{step}` failed: {reason}")]
    Step {
        /// The file, or what else was being done.
        step: String,
        /// What the database said.
        reason: String,
    },
    /// A file is not the one that was applied.
    #[error("`{file}` was changed after it was applied; restore its text and write a new file for the change")]
    Changed {
        /// The file.
        file: String,
    },
}

/// One file.
struct Migration {
    version: i32,
    file: &'static str,
    sql: &'static str,
}

impl Migration {
    fn checksum(&self) -> String {
        Sha256::digest(self.sql.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Waits for the database, applies what is missing, and says each thing it did.
pub async fn run(config: &DatabaseConfig, wait: Duration, mut say: impl FnMut(String)) -> Result<(), MigrateError> {
    let link = connect_within(config, Instant::now() + wait).await?;
    // The lock belongs to the connection and ends with it, however this function ends.
    link.one(LOCK, &[]).await.map_err(|error| failed("waiting for the lock", &error))?;
    link.command(HISTORY).await.map_err(|error| failed("making the history", &error))?;
    let applied = applied(&link).await?;
    let known = known();
    check_unchanged(&known, &applied)?;
    let newest = applied.last().map_or(0, |(version, _)| *version);
    let missing: Vec<&Migration> = known.iter().filter(|migration| migration.version > newest).collect();
    for migration in &missing {
        apply(&link, migration).await?;
        say(format!("applied `{}`", migration.file));
    }
    let last_known = newest_known();
    if newest > last_known {
        say(format!("the database is at {newest}, newer than this binary ({last_known}); nothing to do"));
    } else if missing.is_empty() {
        say(format!("the database is at {newest}; nothing to do"));
    }
    Ok(())
}

/// The newest migration that this binary has.
pub(crate) fn newest_known() -> i32 {
    known().last().map_or(0, |migration| migration.version)
}

/// The newest migration that the database has; 0 when it has none.
pub(crate) async fn newest_applied(database: &Database, deadline: Instant) -> Result<i32, Failure> {
    let newest = |link: std::sync::Arc<Link>, _| async move {
        match link.one(NEWEST, &[]).await {
            Ok(row) => row.try_get(0),
            Err(error) if error.code() == Some(&SqlState::UNDEFINED_TABLE) => Ok(0),
            Err(error) => Err(error),
        }
    };
    database.run(Purpose::Read, deadline, newest).await
}

/// The embedded files in the order of their numbers. Names that do not fit are caught by a test.
fn known() -> Vec<Migration> {
    let migration = |&(file, content): &(&'static str, &'static [u8])| {
        let version = file.strip_suffix(".sql")?.split('_').next()?.parse().ok()?;
        Some(Migration { version, file, sql: std::str::from_utf8(content).ok()? })
    };
    MIGRATIONS.iter().filter_map(migration).collect()
}

fn check_unchanged(known: &[Migration], applied: &[(i32, String)]) -> Result<(), MigrateError> {
    for (version, checksum) in applied {
        let file = known.iter().find(|migration| migration.version == *version);
        if let Some(migration) = file.filter(|migration| migration.checksum() != *checksum) {
            return Err(MigrateError::Changed { file: migration.file.to_owned() });
        }
    }
    Ok(())
}

async fn applied(link: &Link) -> Result<Vec<(i32, String)>, MigrateError> {
    let read = async {
        let rows = link.rows(APPLIED, &[]).await?;
        rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, _>>()
    };
    read.await.map_err(|error| failed("reading the history", &error))
}

/// The file and its record, in one transaction. After an error the connection is dropped, and with it the transaction.
async fn apply(link: &Link, migration: &Migration) -> Result<(), MigrateError> {
    let steps = async {
        link.command("BEGIN").await?;
        link.command(migration.sql).await?;
        link.rows(RECORD, &[&migration.version, &migration.file, &migration.checksum()]).await?;
        link.command("COMMIT").await
    };
    steps.await.map_err(|error| failed(migration.file, &error))
}

fn failed(step: &str, error: &tokio_postgres::Error) -> MigrateError {
    MigrateError::Step { step: step.to_owned(), reason: crate::database::full_text(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_numbered_without_gaps() {
        let files: Vec<&str> = MIGRATIONS.iter().map(|(file, _)| *file).filter(|file| *file != "README.md").collect();
        let known = known();
        assert_eq!(files.len(), known.len(), "a name is not like `0001_what_it_does.sql`: {files:?}");
        for (index, migration) in known.iter().enumerate() {
            assert_eq!(usize::try_from(migration.version), Ok(index + 1), "{}", migration.file);
            assert!(migration.file.starts_with(&format!("{:04}_", migration.version)), "{}", migration.file);
        }
    }
}
