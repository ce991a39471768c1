//! Where the engine is: `DOCKER_HOST`, else the docker context, else the socket
//! of this machine. The same order as Docker's own command line.

use std::path::{Path, PathBuf};

use mainstay_plan::spec::hex;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// The socket of an engine on this machine.
pub(super) const DEFAULT_SOCKET: &str = "unix:///var/run/docker.sock";

/// What the address is taken from; read once from the environment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings {
    /// `DOCKER_HOST`.
    pub(crate) host: Option<String>,
    /// `DOCKER_CONTEXT`.
    pub(crate) context: Option<String>,
    /// `DOCKER_CONFIG`, else `~/.docker`.
    pub(crate) config_dir: Option<PathBuf>,
    /// `XDG_RUNTIME_DIR`: a rootless engine's socket is there.
    pub(crate) runtime_dir: Option<PathBuf>,
    /// `DOCKER_TLS_VERIFY` or `DOCKER_CERT_PATH`: the engine is to be spoken to by TLS.
    pub(crate) wants_tls: bool,
}

impl Surroundings {
    pub(crate) fn from_env() -> Self {
        let var = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let home = var("HOME").map(|home| PathBuf::from(home).join(".docker"));
        Self {
            host: var("DOCKER_HOST"),
            context: var("DOCKER_CONTEXT"),
            config_dir: var("DOCKER_CONFIG").map(PathBuf::from).or(home),
            runtime_dir: var("XDG_RUNTIME_DIR").map(PathBuf::from),
            wants_tls: var("DOCKER_TLS_VERIFY").is_some() || var("DOCKER_CERT_PATH").is_some(),
        }
    }
}

/// The engine's address, such as `unix:///var/run/docker.sock` or `ssh://root@box`.
///
/// # Errors
///
/// A context is chosen that does not exist or has no Docker endpoint.
pub(crate) fn resolve(around: &Surroundings) -> Result<String> {
    let address = find(around)?;
    let by_network = address.starts_with("tcp://") || address.starts_with("http");
    if by_network && (around.wants_tls || address.starts_with("https")) {
        return Err(Error::new(format!(
            "the engine at `{address}` is to be spoken to by TLS, which mainstay does not do"
        ))
        .hint("use `DOCKER_HOST=ssh://user@host`: it needs no certificates"));
    }
    if address.strip_prefix("ssh://").is_some_and(|rest| rest.rsplit('@').next().unwrap_or_default().contains(':')) {
        return Err(Error::new(format!("the address `{address}` has a port, which cannot be passed on to ssh"))
            .hint("name the host in `~/.ssh/config` with its `Port`, and use that name"));
    }
    Ok(address)
}

fn find(around: &Surroundings) -> Result<String> {
    if let Some(host) = &around.host {
        return Ok(host.clone());
    }
    let chosen = around.context.clone().or_else(|| current_context(around.config_dir.as_deref()));
    if let Some(name) = chosen.filter(|name| name != "default") {
        return context_host(around.config_dir.as_deref(), &name);
    }
    let rootless = around.runtime_dir.as_ref().map(|dir| dir.join("docker.sock"));
    match rootless {
        Some(socket) if socket.exists() && !Path::new("/var/run/docker.sock").exists() => {
            Ok(format!("unix://{}", socket.display()))
        }
        _ => Ok(DEFAULT_SOCKET.to_owned()),
    }
}

fn current_context(config_dir: Option<&Path>) -> Option<String> {
    let text = std::fs::read_to_string(config_dir?.join("config.json")).ok()?;
    let config: Value = serde_json::from_str(&text).ok()?;
    config.get("currentContext")?.as_str().map(str::to_owned)
}

/// Contexts are kept in folders that are named by the SHA-256 of their names.
fn context_host(config_dir: Option<&Path>, name: &str) -> Result<String> {
    let missing = || {
        Error::new(format!("docker context `{name}` does not exist"))
            .hint("`docker context ls` lists them; `docker context use default` goes back to this machine's engine")
    };
    let folder = hex(&Sha256::digest(name.as_bytes()));
    let file = config_dir.ok_or_else(missing)?.join("contexts/meta").join(folder).join("meta.json");
    let text = std::fs::read_to_string(file).map_err(|_| missing())?;
    let meta: Value = serde_json::from_str(&text).map_err(|_| missing())?;
    let host = meta.pointer("/Endpoints/docker/Host").and_then(Value::as_str);
    host.map(str::to_owned).ok_or_else(|| Error::new(format!("docker context `{name}` has no Docker endpoint")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_goes_before_the_context() {
        let around =
            Surroundings { host: Some("ssh://box".into()), context: Some("other".into()), ..Default::default() };
        assert_eq!(resolve(&around).unwrap(), "ssh://box");
    }

    #[test]
    fn what_cannot_be_reached_as_asked_is_refused() {
        let tls = Surroundings { host: Some("tcp://box:2376".into()), wants_tls: true, ..Default::default() };
        assert!(resolve(&tls).unwrap_err().message.contains("TLS"));
        let port = Surroundings { host: Some("ssh://root@box:2222".into()), ..Default::default() };
        assert!(resolve(&port).unwrap_err().hint.unwrap().contains("~/.ssh/config"));
    }

    #[test]
    fn a_missing_context_is_an_error_and_not_this_machine() {
        let around = Surroundings { context: Some("gone".into()), ..Default::default() };
        assert_eq!(resolve(&around).unwrap_err().message, "docker context `gone` does not exist");
    }

    #[test]
    fn the_current_context_is_followed() {
        let dir = std::env::temp_dir().join(format!("mainstay-context-{}", std::process::id()));
        let meta = dir.join("contexts/meta").join(hex(&Sha256::digest(b"far")));
        std::fs::create_dir_all(&meta).unwrap();
        std::fs::write(dir.join("config.json"), r#"{"currentContext":"far"}"#).unwrap();
        std::fs::write(meta.join("meta.json"), r#"{"Endpoints":{"docker":{"Host":"ssh://far"}}}"#).unwrap();
        let around = Surroundings { config_dir: Some(dir.clone()), ..Default::default() };
        assert_eq!(resolve(&around).unwrap(), "ssh://far");
        std::fs::remove_dir_all(dir).unwrap();
    }
}
