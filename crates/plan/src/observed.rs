//! What the engine has: the other half of what a plan is made from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::spec::ContainerSpec;

/// Everything of the engine that a plan may depend on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Observed {
    /// Images by reference.
    pub images: BTreeMap<String, ObservedImage>,
    /// Networks by name, of every project.
    pub networks: BTreeMap<String, ObservedNetwork>,
    /// Volumes by name, of every project.
    pub volumes: BTreeMap<String, ObservedVolume>,
    /// The project's containers, in every state.
    pub containers: Vec<ObservedContainer>,
    /// Names of containers of other projects: they cannot be used.
    pub foreign_names: Vec<String>,
    /// Whether the project's store has its container.
    pub store_ready: bool,
    /// What each edge that answers says, by its service.
    pub edges: BTreeMap<String, BTreeMap<String, Routed>>,
    /// The number of the release that a change would make.
    pub next_release: u32,
}

/// A service as its edge sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Routed {
    /// Which releases get requests, and in which proportion.
    pub shares: BTreeMap<String, u32>,
    /// Whether that is a trial, which somebody began and did not end.
    #[serde(default)]
    pub on_trial: bool,
    /// Its targets that stay.
    pub targets: Vec<RoutedTarget>,
}

/// A target as its edge sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutedTarget {
    /// Its name on the network.
    pub name: String,
    /// Where it listens.
    pub port: u16,
    /// The release that it is of.
    pub release: String,
    /// `adding`, `healthy`, `unhealthy` or `draining`.
    pub phase: String,
}

/// An image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ObservedImage {
    /// Its content's digest, `sha256:…`.
    pub id: String,
    /// The processor that it is for, in the engine's word (`amd64`).
    pub architecture: String,
    /// Whether it brings a health check; `None` where nobody looked.
    pub has_healthcheck: Option<bool>,
    /// Its labels; empty where nobody looked.
    pub labels: BTreeMap<String, String>,
}

/// A network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ObservedNetwork {
    /// The engine's id.
    pub id: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The names of the containers that run on it, of every project; known for projects' networks.
    pub attached: Vec<String>,
}

/// A volume.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ObservedVolume {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// A container of the project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObservedContainer {
    /// Its name, without the engine's leading slash.
    pub name: String,
    /// Its service.
    pub service: String,
    /// Its number among the replicas.
    pub number: u32,
    /// The release that it was made in; absent on containers that are not ours.
    pub release: Option<u32>,
    /// The hash that it was made with; absent on containers that are not ours (Docker Compose's).
    pub config_hash: Option<String>,
    /// What it was made from, where the label can be read.
    pub spec: Option<ContainerSpec>,
    /// The image that it runs.
    pub image_id: String,
    /// What it is doing.
    pub state: State,
    /// What its health check says.
    pub health: Health,
    /// The networks that it is on, by name.
    pub networks: Vec<String>,
    /// The ids of those networks, by name, as far as the engine tells.
    pub network_ids: BTreeMap<String, String>,
    /// Anonymous volumes: path inside to the volume's name.
    pub anonymous: BTreeMap<String, String>,
    /// What was changed on the running container behind our back.
    pub limits: Limits,
}

/// The settings that `docker update` can change on a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// The memory limit; 0 is none.
    pub memory_bytes: u64,
    /// Billionths of a core; 0 is no limit.
    pub nano_cpus: u64,
    /// Processes; 0 is no limit.
    pub pids: i64,
    /// The restart policy's name, as the engine writes it.
    pub restart: String,
}

/// What a container is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Made, never started.
    Created,
    /// Running.
    Running,
    /// Frozen.
    Paused,
    /// Ended, and about to be started again by its policy.
    Restarting,
    /// Ended.
    Exited {
        /// The exit code; above 128 it is a signal's number and 128.
        code: i64,
    },
    /// The engine could not remove it.
    Dead,
}

/// What the health check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// There is none.
    None,
    /// No probe has passed yet.
    Starting,
    /// The last probe passed.
    Healthy,
    /// So many probes in a row failed that it counts.
    Unhealthy,
}
