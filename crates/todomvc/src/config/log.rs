//! How much is logged: `LOG_LEVEL`, one of `error`, `warn`, `info`, `debug`, `trace`, `off`.

use tracing_subscriber::filter::LevelFilter;

use super::{ConfigError, Lookup, parsed};

/// How much is logged.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// `LOG_LEVEL`: lines below this level are left out.
    pub level: LevelFilter,
}

impl LogConfig {
    /// Reads the variable of this file.
    pub fn read(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        Ok(Self { level: parsed(lookup, "LOG_LEVEL", "info")? })
    }
}
