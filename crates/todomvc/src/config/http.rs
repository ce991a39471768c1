//! How the application is reached: `LISTEN`, `PUBLIC_URL`, `REQUEST_DEADLINE_SECONDS`, `SHUTDOWN_DELAY_SECONDS`,
//! `SHUTDOWN_GRACE_SECONDS`.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::{ConfigError, Lookup, parsed};

/// What is listened on, and the times a request is given.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// `LISTEN`: the address and port to accept connections on.
    pub listen: SocketAddr,
    /// `PUBLIC_URL`: the base of every `url` in an answer. Without it the request's `Host` is used.
    pub public_url: Option<String>,
    /// `REQUEST_DEADLINE_SECONDS`: a request waits this long for its body and for a database that is away.
    pub request_deadline: Duration,
    /// `SHUTDOWN_DELAY_SECONDS`: after SIGTERM, new connections are accepted this long, while `/readyz` says 503 already.
    /// For a load balancer that only learns from probes; ours is told before, so it needs none.
    pub shutdown_delay: Duration,
    /// `SHUTDOWN_GRACE_SECONDS`: after that, requests in flight get this long to finish.
    pub shutdown_grace: Duration,
}

impl HttpConfig {
    /// Reads the variables of this file.
    pub fn read(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            listen: parsed(lookup, "LISTEN", "0.0.0.0:8080")?,
            public_url: public_url(lookup)?,
            request_deadline: seconds(lookup, "REQUEST_DEADLINE_SECONDS", "10", 1..=3600)?,
            shutdown_delay: seconds(lookup, "SHUTDOWN_DELAY_SECONDS", "0", 0..=3600)?,
            shutdown_grace: seconds(lookup, "SHUTDOWN_GRACE_SECONDS", "15", 1..=3600)?,
        })
    }
}

fn seconds(
    lookup: Lookup<'_>,
    variable: &'static str,
    default: &str,
    possible: RangeInclusive<u32>,
) -> Result<Duration, ConfigError> {
    let seconds: u32 = parsed(lookup, variable, default)?;
    if !possible.contains(&seconds) {
        let (least, most) = possible.into_inner();
        return Err(ConfigError::new(variable, format!("`{seconds}` is not between {least} and {most} seconds")));
    }
    Ok(Duration::from_secs(seconds.into()))
}

fn public_url(lookup: Lookup<'_>) -> Result<Option<String>, ConfigError> {
    let Some(text) = lookup("PUBLIC_URL") else { return Ok(None) };
    let refuse = |reason: String| Err(ConfigError::new("PUBLIC_URL", reason));
    let uri: axum::http::Uri = match text.parse() {
        Ok(uri) => uri,
        Err(error) => return refuse(format!("`{text}`: {error}")),
    };
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.query().is_some() {
        return refuse(format!("`{text}` is not like `https://todo.example.org`"));
    }
    Ok(Some(text.trim_end_matches('/').to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<HttpConfig, ConfigError> {
        HttpConfig::read(&|asked| (asked == name).then(|| value.to_owned()))
    }

    #[test]
    fn the_defaults_are_usable() {
        let config = HttpConfig::read(&|_| None).unwrap();
        assert_eq!(config.listen.port(), 8080);
        assert_eq!(config.request_deadline, Duration::from_secs(10));
        assert_eq!(config.public_url, None);
    }

    #[test]
    fn errors_name_the_variable_and_the_value() {
        for (name, value) in [
            ("LISTEN", "8080"),
            ("REQUEST_DEADLINE_SECONDS", "0"),
            ("SHUTDOWN_DELAY_SECONDS", "3601"),
            ("SHUTDOWN_GRACE_SECONDS", "soon"),
            ("PUBLIC_URL", "todo.example.org"),
        ] {
            let message = read(name, value).unwrap_err().to_string();
            assert!(message.contains(name) && message.contains(&format!("`{value}`")), "{message}");
        }
    }

    #[test]
    fn a_public_url_loses_its_last_slash() {
        let config = read("PUBLIC_URL", "https://todo.example.org/").unwrap();
        assert_eq!(config.public_url.as_deref(), Some("https://todo.example.org"));
    }
}
