//! The engine as the rest of the program sees it: a trait of small calls.
//!
//! `docker` is the only place that knows the Docker Engine's API; `memory` is
//! an engine without containers that the executor is tested on, and that can
//! fail at any call.

pub(crate) mod docker;
#[cfg(test)]
pub(crate) mod memory;

use std::collections::BTreeMap;

use mainstay_plan::observed::{
    Health, ObservedContainer, ObservedImage, ObservedNetwork, ObservedVolume, Routed, State,
};
use mainstay_plan::spec::{ContainerSpec, StoreFile};
use mainstay_plan::stack::{Build, Network, Volume};

use crate::error::Result;

/// Reports what a long call is at, in a few words.
pub(crate) type Progress<'a> = &'a dyn Fn(&str);

/// What mainstay asks of an engine.
pub(crate) trait Engine {
    /// What the engine is and can.
    async fn info(&self) -> Result<EngineInfo>;

    /// Every image by every reference that it has.
    async fn images(&self) -> Result<BTreeMap<String, ObservedImage>>;
    /// One image, with all that is to be known of it.
    async fn image(&self, reference: &str) -> Result<Option<ObservedImage>>;
    /// Pulls an image, or makes it where it is a base that can be made.
    async fn pull_image(&self, image: &str, platform: Option<&str>, progress: Progress<'_>) -> Result<()>;
    /// Builds an image and gives it the reference, and the same name with `latest`.
    async fn build_image(&self, image: &str, build: &Build, progress: Progress<'_>) -> Result<()>;

    /// Every network by name.
    async fn networks(&self) -> Result<BTreeMap<String, ObservedNetwork>>;
    /// Makes a network.
    async fn create_network(&self, network: &Network, labels: BTreeMap<String, String>) -> Result<()>;
    /// Removes a network; one that is gone already is no error.
    async fn remove_network(&self, name: &str) -> Result<()>;

    /// Every volume by name.
    async fn volumes(&self) -> Result<BTreeMap<String, ObservedVolume>>;
    /// Makes a volume; one that is there already is no error.
    async fn create_volume(&self, volume: &Volume, labels: BTreeMap<String, String>) -> Result<()>;
    /// Removes a volume; one that is gone already is no error.
    async fn remove_volume(&self, name: &str) -> Result<()>;

    /// The project's containers.
    async fn containers(&self, project: &str) -> Result<Vec<ObservedContainer>>;
    /// The names of all other containers.
    async fn foreign_names(&self, project: &str) -> Result<Vec<String>>;
    /// Makes a container and puts it on its networks.
    async fn create_container(
        &self,
        project: &str,
        name: &str,
        spec: &ContainerSpec,
        release: u32,
        carry: &BTreeMap<String, String>,
    ) -> Result<()>;
    /// Starts a container; one that runs already is no error.
    async fn start_container(&self, name: &str) -> Result<()>;
    /// Thaws a container.
    async fn unpause_container(&self, name: &str) -> Result<()>;
    /// Stops a container, by SIGKILL after its grace; one that is stopped or gone already is no error.
    async fn stop_container(&self, name: &str, grace_ms: Option<u64>) -> Result<()>;
    /// Removes a stopped container; one that is gone already is no error.
    async fn remove_container(&self, name: &str) -> Result<()>;
    /// Gives a container another name.
    async fn rename_container(&self, from: &str, to: &str) -> Result<()>;
    /// What a container is doing; `None` where there is none of that name.
    async fn inspect_container(&self, name: &str) -> Result<Option<Inspected>>;
    /// Runs a command in a container, for so long at most.
    async fn probe(&self, name: &str, argv: &[String], timeout_ms: u64) -> Result<ProbeResult>;
    /// The last lines of a container's output.
    async fn last_logs(&self, name: &str, lines: u32) -> Result<Vec<String>>;

    /// Asks the edge in a container, or has it do something.
    async fn ask_edge(&self, container: &str, ask: &EdgeAsk<'_>) -> Result<EdgeReply>;

    /// Whether the store has the container that it is reached through.
    async fn has_store(&self, project: &str) -> Result<bool>;
    /// Makes the store: a volume, and a container that is never started.
    async fn create_store(&self, project: &str) -> Result<()>;
    /// Removes the store and all that is in it.
    async fn remove_store(&self, project: &str) -> Result<()>;
    /// A file of the store.
    async fn read_stored(&self, project: &str, name: &str) -> Result<Option<Vec<u8>>>;
    /// All files of a folder of the store, by name.
    async fn read_stored_folder(&self, project: &str, folder: &str) -> Result<BTreeMap<String, Vec<u8>>>;
    /// Writes a file of the store.
    async fn write_stored(&self, project: &str, file: &StoreFile, content: &[u8]) -> Result<()>;
}

/// What an edge is asked; the words are those of its own command line.
#[derive(Debug, Clone)]
pub(crate) enum EdgeAsk<'a> {
    /// Its targets.
    Targets,
    /// What became of the requests.
    Ledger,
    /// Targets more, which it probes from now on.
    Add { service: &'a str, release: &'a str, targets: &'a [String], port: u16 },
    /// Answers once these targets of the release are ready.
    Ready { service: &'a str, release: &'a str, targets: &'a [String], timeout_ms: u64 },
    /// A growing part of the requests for new releases, judged by the counts.
    Try { releases: &'a BTreeMap<String, String>, window_ms: u64, tolerated_permille: u64 },
    /// The requests for these releases and no others.
    Route { routes: &'a BTreeMap<String, BTreeMap<String, u32>>, force: bool },
    /// No target but these, once the others have ended their requests.
    Retire { service: &'a str, keep: &'a [String], timeout_ms: u64 },
}

/// What an edge answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EdgeReply {
    /// It is done; words for a person, or none.
    Done(String),
    /// How it routes, by service.
    Targets(BTreeMap<String, Routed>),
    /// The counts, as it gives them: by service and release.
    Ledger(serde_json::Value),
}

/// What an engine is and can.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct EngineInfo {
    /// Its version, such as `20.10.24`.
    pub(crate) version: String,
    /// Its API's version, such as `1.41`.
    pub(crate) api_version: String,
    /// Its processor, in Go's word: `amd64`.
    pub(crate) architecture: String,
    /// Where it keeps images and volumes.
    pub(crate) root_dir: String,
    /// Its clock, as RFC 3339 text.
    pub(crate) time: Option<String>,
    /// What it cannot limit, as the words of its own warnings.
    pub(crate) warnings: Vec<String>,
    /// Memory limits work.
    pub(crate) limits_memory: bool,
    /// Processor limits work.
    pub(crate) limits_cpu: bool,
    /// Process limits work.
    pub(crate) limits_pids: bool,
    /// It is reached over a socket of this machine.
    pub(crate) is_local: bool,
    /// How it is reached, for messages.
    pub(crate) address: String,
}

/// What a container is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inspected {
    /// Its state.
    pub(crate) state: State,
    /// What the engine's own probes say.
    pub(crate) health: Health,
    /// Its health check, as the image and the file give it together.
    pub(crate) probe: Option<Probe>,
    /// Whether its policy starts it again when it ends.
    pub(crate) restarts: bool,
    /// How often it was started again.
    pub(crate) restart_count: i64,
    /// The engine's own words on why it could not run.
    pub(crate) error: String,
    /// It was killed because it used more memory than it may.
    pub(crate) out_of_memory: bool,
    /// The ports of the host, as `0.0.0.0:8080->8080/tcp`.
    pub(crate) ports: Vec<String>,
    /// When it was started, as the engine writes it.
    pub(crate) started_at: String,
}

/// A health check that can be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Probe {
    /// The command.
    pub(crate) argv: Vec<String>,
    /// How long it may take.
    pub(crate) timeout_ms: u64,
}

/// What a probe said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProbeResult {
    /// It ended with exit code 0.
    pub(crate) passed: bool,
    /// What it printed, cut short.
    pub(crate) output: String,
}
