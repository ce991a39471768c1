//! The Docker Engine, by its API. Nothing outside this folder knows bollard.
//!
//! `address` finds the engine, `translate` puts specifications into its words,
//! `containers`, `images`, `resources` and `store` hold the calls, `attach`
//! what streams: logs and `exec`.

mod address;
pub(crate) mod attach;
mod containers;
mod edge;
mod images;
mod lock;
mod resources;
mod store;
mod translate;

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as ApiError;
use mainstay_plan::observed::{ObservedContainer, ObservedImage, ObservedNetwork, ObservedVolume};
use mainstay_plan::spec::{ContainerSpec, StoreFile};
use mainstay_plan::stack::{Build, Network, Volume};

use super::{EdgeAsk, EdgeReply, Engine, EngineInfo, Inspected, ProbeResult, Progress};
use crate::error::{Error, Result};

pub(crate) use address::Surroundings;
pub(crate) use containers::PortHolder;
pub(crate) use images::TaggedImage;
pub(crate) use lock::{Held, Lease};

/// A call that answers at all answers within this: removing a large container
/// on a busy disk has been seen to take a minute. Pulls, builds and waits stream,
/// and are bounded where they are asked for.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);

/// The oldest engine that we know how to speak to: Debian 12's 20.10.
pub(crate) const OLDEST_API: (u32, u32) = (1, 41);

/// A connection to a Docker Engine.
#[derive(Clone)]
pub(crate) struct DockerEngine {
    docker: Docker,
    address: String,
}

impl DockerEngine {
    /// Connects, and asks the engine whether it is there.
    ///
    /// # Errors
    ///
    /// Nothing answers, or this user may not ask; the hint says what to do.
    pub(crate) async fn connect(around: &Surroundings) -> Result<Self> {
        let address = address::resolve(around)?;
        let unreachable = |cause: &dyn std::fmt::Display| unreachable(&address, &cause.to_string());
        let docker = Docker::connect_with_host(&address).map_err(|e| unreachable(&e))?.with_timeout(CALL_TIMEOUT);
        match tokio::time::timeout(Duration::from_secs(10), docker.ping()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(why_not(&address, &error)),
            Err(_) => return Err(unreachable(&"no answer within 10 s")),
        }
        Ok(Self { docker, address })
    }

    /// Whether the engine runs on this machine.
    fn is_local(&self) -> bool {
        self.address.starts_with("unix://")
    }
}

fn unreachable(address: &str, cause: &str) -> Error {
    let hint = if address == address::DEFAULT_SOCKET {
        "`./mainstay up` installs and starts it on Debian and Ubuntu; elsewhere see https://docs.docker.com/engine/install/"
    } else {
        "look at `DOCKER_HOST` and `docker context ls`"
    };
    Error::new(format!("no engine answers at `{address}`: {cause}")).hint(hint)
}

/// A socket that may not be opened is another trouble than one that is not there.
fn why_not(address: &str, error: &ApiError) -> Error {
    let denied = address.strip_prefix("unix://").is_some_and(|path| {
        std::os::unix::net::UnixStream::connect(path).is_err_and(|e| e.kind() == std::io::ErrorKind::PermissionDenied)
    });
    if denied {
        return Error::new(format!("this user may not use the engine's socket `{address}`")).hint(
            "join its group: `sudo usermod -aG docker $USER`, then log in again (the group is as powerful as root)",
        );
    }
    unreachable(address, &text_of(error))
}

/// The engine's own words, without the client's wrapping.
fn text_of(error: &ApiError) -> String {
    match error {
        ApiError::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        ApiError::DockerStreamError { error } => error.trim().to_owned(),
        other => {
            let mut text = other.to_string();
            let mut source = std::error::Error::source(other);
            while let Some(cause) = source {
                let cause_text = cause.to_string();
                if !text.contains(&cause_text) {
                    text = format!("{text}: {cause_text}");
                }
                source = cause.source();
            }
            text
        }
    }
}

fn failed(doing: &str) -> impl Fn(ApiError) -> Error + '_ {
    move |error| Error::new(format!("{doing}: {}", text_of(&error)))
}

/// The answer's status, where the engine answered with an error.
fn status_of(error: &ApiError) -> Option<u16> {
    match error {
        ApiError::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// Turns the given statuses into success: what was asked for is so already.
fn unless(statuses: &[u16], result: std::result::Result<(), ApiError>, doing: &str) -> Result<()> {
    match result {
        Err(error) if status_of(&error).is_some_and(|status| statuses.contains(&status)) => Ok(()),
        other => other.map_err(failed(doing)),
    }
}

impl Engine for DockerEngine {
    async fn info(&self) -> Result<EngineInfo> {
        let version = self.docker.version().await.map_err(failed("ask the engine for its version"))?;
        let info = self.docker.info().await.map_err(failed("ask the engine what it can"))?;
        Ok(EngineInfo {
            version: version.version.unwrap_or_default(),
            api_version: version.api_version.unwrap_or_default(),
            architecture: version.arch.unwrap_or_default(),
            root_dir: info.docker_root_dir.unwrap_or_default(),
            time: info.system_time,
            warnings: info.warnings.unwrap_or_default(),
            limits_memory: info.memory_limit.unwrap_or(false),
            limits_cpu: info.cpu_cfs_quota.unwrap_or(false),
            limits_pids: info.pids_limit.unwrap_or(false),
            is_local: self.is_local(),
            address: self.address.clone(),
        })
    }

    async fn images(&self) -> Result<BTreeMap<String, ObservedImage>> {
        images::list(&self.docker).await
    }

    async fn image(&self, reference: &str) -> Result<Option<ObservedImage>> {
        images::inspect(&self.docker, reference).await
    }

    async fn pull_image(&self, image: &str, platform: Option<&str>, progress: Progress<'_>) -> Result<()> {
        images::pull(&self.docker, image, platform, progress).await
    }

    async fn build_image(&self, image: &str, build: &Build, progress: Progress<'_>) -> Result<()> {
        images::build(&self.docker, image, build, progress).await
    }

    async fn networks(&self) -> Result<BTreeMap<String, ObservedNetwork>> {
        resources::networks(&self.docker).await
    }

    async fn create_network(&self, network: &Network, labels: BTreeMap<String, String>) -> Result<()> {
        resources::create_network(&self.docker, network, labels).await
    }

    async fn remove_network(&self, name: &str) -> Result<()> {
        unless(&[404], self.docker.remove_network(name).await, &format!("remove network `{name}`"))
    }

    async fn volumes(&self) -> Result<BTreeMap<String, ObservedVolume>> {
        resources::volumes(&self.docker).await
    }

    async fn create_volume(&self, volume: &Volume, labels: BTreeMap<String, String>) -> Result<()> {
        resources::create_volume(&self.docker, volume, labels).await
    }

    async fn remove_volume(&self, name: &str) -> Result<()> {
        resources::remove_volume(&self.docker, name).await
    }

    async fn containers(&self, project: &str) -> Result<Vec<ObservedContainer>> {
        containers::list(&self.docker, project).await
    }

    async fn foreign_names(&self, project: &str) -> Result<Vec<String>> {
        containers::foreign_names(&self.docker, project).await
    }

    async fn create_container(
        &self,
        project: &str,
        name: &str,
        spec: &ContainerSpec,
        release: u32,
        carry: &BTreeMap<String, String>,
    ) -> Result<()> {
        let store = if spec.files.is_empty() { String::new() } else { store::path(&self.docker, project).await? };
        let body = translate::create_body(project, spec, release, carry, &store);
        containers::create(&self.docker, name, spec, release, body).await
    }

    async fn start_container(&self, name: &str) -> Result<()> {
        // 304: it runs already.
        unless(&[304], self.docker.start_container(name, None).await, &format!("start container `{name}`"))
    }

    async fn unpause_container(&self, name: &str) -> Result<()> {
        self.docker.unpause_container(name).await.map_err(failed(&format!("unpause container `{name}`")))
    }

    async fn stop_container(&self, name: &str, grace_ms: Option<u64>) -> Result<()> {
        containers::stop(&self.docker, name, grace_ms).await
    }

    async fn remove_container(&self, name: &str) -> Result<()> {
        containers::remove(&self.docker, name).await
    }

    async fn rename_container(&self, from: &str, to: &str) -> Result<()> {
        let options = bollard::query_parameters::RenameContainerOptions { name: to.to_owned() };
        self.docker
            .rename_container(from, options)
            .await
            .map_err(failed(&format!("rename container `{from}` to `{to}`")))
    }

    async fn inspect_container(&self, name: &str) -> Result<Option<Inspected>> {
        containers::inspect(&self.docker, name).await
    }

    async fn probe(&self, name: &str, argv: &[String], timeout_ms: u64) -> Result<ProbeResult> {
        attach::probe(&self.docker, name, argv, timeout_ms).await
    }

    async fn last_logs(&self, name: &str, lines: u32) -> Result<Vec<String>> {
        attach::last_logs(&self.docker, name, lines).await
    }

    async fn ask_edge(&self, container: &str, ask: &EdgeAsk<'_>) -> Result<EdgeReply> {
        edge::ask(&self.docker, container, ask).await
    }

    async fn has_store(&self, project: &str) -> Result<bool> {
        store::exists(&self.docker, project).await
    }

    async fn create_store(&self, project: &str) -> Result<()> {
        store::create(&self.docker, project).await
    }

    async fn remove_store(&self, project: &str) -> Result<()> {
        store::remove(&self.docker, project).await
    }

    async fn read_stored(&self, project: &str, name: &str) -> Result<Option<Vec<u8>>> {
        store::read(&self.docker, project, name).await
    }

    async fn read_stored_folder(&self, project: &str, folder: &str) -> Result<BTreeMap<String, Vec<u8>>> {
        store::read_folder(&self.docker, project, folder).await
    }

    async fn write_stored(&self, project: &str, file: &StoreFile, content: &[u8]) -> Result<()> {
        store::write(&self.docker, project, file, content).await
    }
}
