//! The configuration, read once from the environment. One struct for each concern, in a file of its own:
//!
//! - `http`: `LISTEN`, `PUBLIC_URL`, `REQUEST_DEADLINE_SECONDS`, `SHUTDOWN_DELAY_SECONDS`,
//!   `SHUTDOWN_GRACE_SECONDS`
//! - `database`: `DATABASE_URL`, `DATABASE_PASSWORD_FILE`, `DATABASE_READ_CONNECTIONS`, `DATABASE_WRITE_CONNECTIONS`
//! - `log`: `LOG_LEVEL`

mod database;
mod http;
mod log;

use std::fmt::Display;
use std::str::FromStr;

pub use database::DatabaseConfig;
pub use http::HttpConfig;
pub use log::LogConfig;

/// Looks up one variable. Tests give a map, `main` gives the environment.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads the process's environment. An empty variable counts as one that is not set, as Compose files write it.
pub fn from_environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A variable that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("`{variable}` cannot be used: {reason}")]
pub struct ConfigError {
    variable: &'static str,
    reason: String,
}

impl ConfigError {
    fn new(variable: &'static str, reason: impl Display) -> Self {
        Self { variable, reason: reason.to_string() }
    }
}

/// Everything `serve` needs.
#[derive(Debug, Clone)]
pub struct Config {
    /// What is listened on, and the times a request is given.
    pub http: HttpConfig,
    /// Where the database is.
    pub database: DatabaseConfig,
    /// How much is logged.
    pub log: LogConfig,
}

impl Config {
    /// Reads all variables.
    pub fn read(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            http: HttpConfig::read(lookup)?,
            database: DatabaseConfig::read(lookup)?,
            log: LogConfig::read(lookup)?,
        })
    }
}

/// A variable parsed as what it stands for, or the default's text parsed.
fn parsed<T>(lookup: Lookup<'_>, variable: &'static str, default: &str) -> Result<T, ConfigError>
where
    T: FromStr,
    T::Err: Display,
{
    let text = lookup(variable).unwrap_or_else(|| default.to_owned());
    text.parse().map_err(|error| ConfigError::new(variable, format!("`{text}`: {error}")))
}
