//! Where the database is: `DATABASE_URL`, `DATABASE_PASSWORD_FILE`, `DATABASE_READ_CONNECTIONS`,
//! `DATABASE_WRITE_CONNECTIONS`. The password is in a file and never in the environment, which every process of the
//! container and `docker inspect` can read.

use std::path::PathBuf;
use std::time::Duration;
use std::{fs, io};

use tokio_postgres::Config as Target;

use super::{ConfigError, Lookup, parsed};

/// A host that is up answers at once on the same network; one that is gone must not use up the request's deadline.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Sent bytes that nobody acknowledges for this long mean that the other end is gone without having said so, as when
/// its container was removed. Without it the kernel would wait a quarter of an hour.
const UNACKNOWLEDGED: Duration = Duration::from_millis(1500);

/// Where the database is and how it is used.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// `DATABASE_URL`, without a password.
    target: Target,
    /// `DATABASE_PASSWORD_FILE`.
    password_file: Option<PathBuf>,
    /// `DATABASE_READ_CONNECTIONS`: few, because requests share them and reads batch well.
    pub read_connections: usize,
    /// `DATABASE_WRITE_CONNECTIONS`: more, because commits on several connections share one flush to the disk.
    pub write_connections: usize,
}

impl DatabaseConfig {
    /// Reads the variables of this file, and the password's file once, so that a missing one is said at the start.
    pub fn read(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let target: Target = parsed_url(lookup)?;
        let config = Self {
            target,
            password_file: lookup("DATABASE_PASSWORD_FILE").map(PathBuf::from),
            read_connections: connections(lookup, "DATABASE_READ_CONNECTIONS", "4")?,
            write_connections: connections(lookup, "DATABASE_WRITE_CONNECTIONS", "8")?,
        };
        config.password().map_err(|error| ConfigError::new("DATABASE_PASSWORD_FILE", error))?;
        Ok(config)
    }

    /// What to connect to, with the password as the file has it now: a changed password needs no restart.
    pub fn target(&self, statement_timeout: Duration) -> io::Result<Target> {
        let mut target = self.target.clone();
        if let Some(password) = self.password()? {
            target.password(password);
        }
        let given = target.get_options().unwrap_or_default();
        // A statement that outlives its request is nobody's; the server stops it.
        target.options(format!("{given} -c statement_timeout={}", statement_timeout.as_millis()).trim_start());
        target.application_name("todomvc");
        target.connect_timeout(CONNECT_TIMEOUT);
        target.tcp_user_timeout(UNACKNOWLEDGED);
        target.keepalives_idle(Duration::from_secs(5));
        target.keepalives_interval(Duration::from_secs(1));
        target.keepalives_retries(3);
        Ok(target)
    }

    /// The longest that connecting may take, over all hosts. The library's own bound covers only TCP, and a host that
    /// accepts and then says nothing would hold a request for ever.
    pub fn connect_bound(&self) -> Duration {
        let hosts = u32::try_from(self.target.get_hosts().len().max(1)).unwrap_or(1);
        CONNECT_TIMEOUT * (hosts + 1)
    }

    fn password(&self) -> io::Result<Option<String>> {
        let Some(file) = &self.password_file else { return Ok(None) };
        let text = fs::read_to_string(file)
            .map_err(|error| io::Error::new(error.kind(), format!("`{}`: {error}", file.display())))?;
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

fn parsed_url(lookup: Lookup<'_>) -> Result<Target, ConfigError> {
    let text = lookup("DATABASE_URL").unwrap_or_else(|| "postgres://todomvc@db:5432/todomvc".to_owned());
    // The text is not repeated in the message: someone may have put a password into it.
    let target: Target = text.parse().map_err(|error: tokio_postgres::Error| {
        ConfigError::new(
            "DATABASE_URL",
            std::error::Error::source(&error).map_or(error.to_string(), ToString::to_string),
        )
    })?;
    if target.get_password().is_some() {
        return Err(ConfigError::new("DATABASE_URL", "it has a password; put that into `DATABASE_PASSWORD_FILE`"));
    }
    if target.get_hosts().is_empty() {
        return Err(ConfigError::new("DATABASE_URL", "it names no host"));
    }
    Ok(target)
}

fn connections(lookup: Lookup<'_>, variable: &'static str, default: &str) -> Result<usize, ConfigError> {
    match parsed(lookup, variable, default)? {
        count @ 1..=64 => Ok(count),
        count => Err(ConfigError::new(variable, format!("`{count}` is not between 1 and 64"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<DatabaseConfig, ConfigError> {
        DatabaseConfig::read(&|asked| {
            variables.iter().find(|(name, _)| *name == asked).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn several_hosts_and_the_wish_for_a_writable_one_are_understood() {
        let url = "postgres://todomvc@a:5432,b:5433/todomvc?target_session_attrs=read-write";
        let config = read(&[("DATABASE_URL", url)]).unwrap();
        let target = config.target(Duration::from_secs(10)).unwrap();
        assert_eq!(target.get_hosts().len(), 2);
        assert_eq!(target.get_target_session_attrs(), tokio_postgres::config::TargetSessionAttrs::ReadWrite);
        assert_eq!(config.connect_bound(), Duration::from_millis(1500));
    }

    #[test]
    fn a_password_in_the_url_is_refused_and_not_repeated() {
        let message = read(&[("DATABASE_URL", "postgres://me:hunter2@db/x")]).unwrap_err().to_string();
        assert!(message.contains("DATABASE_PASSWORD_FILE") && !message.contains("hunter2"), "{message}");
    }

    #[test]
    fn the_password_loses_the_files_last_newline_only() {
        let file = std::env::temp_dir().join(format!("todomvc-password-{}", std::process::id()));
        fs::write(&file, " a b \n").unwrap();
        let config = read(&[("DATABASE_PASSWORD_FILE", file.to_str().unwrap())]).unwrap();
        assert_eq!(config.target(Duration::from_secs(1)).unwrap().get_password(), Some(" a b ".as_bytes()));
        fs::remove_file(file).unwrap();
        assert!(config.target(Duration::from_secs(1)).is_err());
    }

    #[test]
    fn a_missing_password_file_is_named_at_the_start() {
        let message = read(&[("DATABASE_PASSWORD_FILE", "/nonexistent/password")]).unwrap_err().to_string();
        assert!(message.contains("`/nonexistent/password`"), "{message}");
    }
}
