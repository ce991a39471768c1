//! The stack: what the compose file asks for, fully resolved.
//!
//! `compose` makes it from text, `planner` compares it with what is observed.
//! Everything in here is data: values are typed, defaults are applied, units
//! stand in the names, and maps keep the order of the file.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// A whole project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stack {
    /// The project's name: the prefix of containers, networks and volumes.
    pub project: String,
    /// The services of the active profiles, in the order of the file.
    pub services: IndexMap<String, Service>,
    /// Services of the file whose profiles are not active: not asked for, and no orphans either.
    pub inactive: Vec<String>,
    /// The networks that those services use.
    pub networks: IndexMap<String, Network>,
    /// The named volumes that those services use.
    pub volumes: IndexMap<String, Volume>,
    /// The secrets that those services use.
    pub secrets: IndexMap<String, FileSource>,
    /// The configs that those services use.
    pub configs: IndexMap<String, FileSource>,
}

/// One service: the image, how many replicas, and what each of them is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Service {
    /// Its name in the file, and its DNS name on its networks.
    pub name: String,
    /// The reference as written; for a built image the name without the tag that the build adds.
    pub image: String,
    /// How the image is made, where it is not pulled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// When an image is pulled.
    pub pull_policy: PullPolicy,
    /// The platform asked for, such as `linux/amd64`; the engine's own when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// How many containers run; 1 unless the file says otherwise.
    pub replicas: u32,
    /// The file asks for several, and so says itself that they can run side by side.
    #[serde(skip)]
    pub several: bool,
    /// `container_name`, which forbids more than one replica.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_name: Option<String>,
    /// What must be so before a replica starts, by service.
    pub depends_on: IndexMap<String, Dependency>,
    /// How a running replica is replaced.
    pub update: UpdatePolicy,
    /// The edge that its requests come through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edge: Option<BehindEdge>,
    /// A new image alone is no reason to replace its container.
    #[serde(skip_serializing_if = "is_false")]
    pub keep_image: bool,
    /// What every replica of it is given.
    #[serde(flatten)]
    pub run: RunConfig,
}

/// What one container is given; the part of a service that its config hash covers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RunConfig {
    /// Replaces the image's command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Replaces the image's entry point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// The environment; `None` takes the variable away that the image sets.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub environment: IndexMap<String, Option<String>>,
    /// Labels of the user's own.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub labels: IndexMap<String, String>,
    /// User and group, as `uid`, `uid:gid` or names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Further groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub group_add: Vec<String>,
    /// The working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// The host name inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Networks by name, in the order of the file; empty with `network_mode`.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub networks: IndexMap<String, Attachment>,
    /// `none`, `host` or `service:NAME`, instead of networks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_mode: Option<String>,
    /// Ports on the host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// Ports that are documented, as `8080/tcp`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expose: Vec<String>,
    /// Volumes, binds and tmpfs, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mounts: Vec<Mount>,
    /// Secrets as files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<FileGrant>,
    /// Configs as files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub configs: Vec<FileGrant>,
    /// How health is told, over what the image says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// What happens when it ends.
    pub restart: Restart,
    /// The signal that asks it to stop; the image's, else SIGTERM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// How long it may take to stop before SIGKILL; the engine's 10 s when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_grace_period_ms: Option<u64>,
    /// Limits and reservations.
    pub resources: Resources,
    /// What it may and may not do.
    pub security: Security,
    /// Where its output goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
    /// Entries of `/etc/hosts`, as `name:address`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_hosts: Vec<String>,
    /// Name servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns: Vec<String>,
    /// Kernel parameters.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub sysctls: IndexMap<String, String>,
    /// Runs an init as process 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
    /// Has a terminal.
    #[serde(skip_serializing_if = "is_false")]
    pub tty: bool,
    /// Keeps standard input open.
    #[serde(skip_serializing_if = "is_false")]
    pub stdin_open: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

/// `x-mainstay: {edge: SERVICE, port: PORT}`: its requests come through an edge, which swaps its releases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BehindEdge {
    /// The service that is the edge.
    pub service: String,
    /// Where its replicas listen.
    pub port: u16,
}

/// How an image is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Build {
    /// The folder that is sent, absolute.
    pub context: String,
    /// The Dockerfile, relative to the context.
    pub dockerfile: String,
    /// Build arguments; `None` is taken from the environment, and left out where it is not set there.
    pub args: IndexMap<String, Option<String>>,
    /// The stage to stop at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Labels on the image.
    pub labels: IndexMap<String, String>,
    /// `x-mainstay: cargo`: the package whose static release binary is put into the context.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cargo: Option<String>,
    /// SHA-256 of everything that the image is made from, in hex; the image's tag.
    /// Empty until the shell has read the files.
    pub digest: String,
    /// The images that its `FROM` lines name. Empty until the shell has read the files.
    pub bases: Vec<String>,
}

/// When an image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PullPolicy {
    /// Every time.
    Always,
    /// Never: the image must be there.
    Never,
    /// Where the engine has it not.
    #[default]
    Missing,
    /// It is built, never pulled.
    Build,
}

impl Stack {
    /// Whether some service is behind this one.
    #[must_use]
    pub fn is_edge(&self, name: &str) -> bool {
        self.services.values().any(|service| service.edge.as_ref().is_some_and(|edge| edge.service == name))
    }
}

/// What a dependent waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Dependency {
    /// The state that the dependency must have.
    pub condition: Condition,
    /// Without it, a dependency that is not active is a warning.
    pub required: bool,
    /// Dependents are restarted when the dependency is replaced.
    pub restart: bool,
}

/// A state of a dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Its containers were started.
    ServiceStarted,
    /// Its health check passes.
    ServiceHealthy,
    /// It ended with exit code 0.
    ServiceCompletedSuccessfully,
}

/// How a running replica is replaced (`deploy.update_config`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct UpdatePolicy {
    /// As written; `None` leaves it to the planner: start-first unless the service holds state.
    pub order: Option<UpdateOrder>,
    /// How many at a time; 0 is all.
    pub parallelism: u32,
    /// How long a new release is watched by its edge while its part of the requests grows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub monitor_ms: Option<u64>,
    /// Failed requests that are accepted of a new release beyond those of the old, in one of a thousand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerated_permille: Option<u64>,
}

impl Default for UpdatePolicy {
    fn default() -> Self {
        Self { order: None, parallelism: 1, monitor_ms: None, tolerated_permille: None }
    }
}

/// Which goes first when a replica is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpdateOrder {
    /// The new one is ready before the old one stops.
    StartFirst,
    /// The old one stops before the new one starts.
    StopFirst,
}

/// A service on a network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Attachment {
    /// Names beside the service's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// A fixed address, which forbids two at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv4_address: Option<String>,
}

/// A port on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// The host's address; every address when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_ip: Option<String>,
    /// The host's port; the engine chooses when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<u16>,
    /// The container's port.
    pub target: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
}

/// Something mounted into a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Mount {
    /// A volume of the engine.
    Volume {
        /// Its key under `volumes:`; an anonymous volume when absent.
        #[serde(skip_serializing_if = "Option::is_none")]
        source: Option<String>,
        /// The path inside.
        target: String,
        /// Not writable from inside.
        read_only: bool,
        /// An empty volume is not filled from the image.
        nocopy: bool,
    },
    /// A path of the host.
    Bind {
        /// The host's path, absolute.
        source: String,
        /// The path inside.
        target: String,
        /// Not writable from inside.
        read_only: bool,
        /// The host's path is made where it is missing.
        create_host_path: bool,
        /// `rprivate`, `rshared` and so on.
        #[serde(skip_serializing_if = "Option::is_none")]
        propagation: Option<String>,
        /// SELinux relabelling, `z` or `Z`.
        #[serde(skip_serializing_if = "Option::is_none")]
        selinux: Option<String>,
    },
    /// Memory, gone when the container ends.
    Tmpfs {
        /// The path inside.
        target: String,
        /// Its limit; half of the memory when absent.
        #[serde(skip_serializing_if = "Option::is_none")]
        size_bytes: Option<u64>,
        /// Its mode, as octal digits.
        #[serde(skip_serializing_if = "Option::is_none")]
        mode: Option<u32>,
        /// Further mount options as written in the short form, such as `noexec,uid=1000`.
        #[serde(skip_serializing_if = "Option::is_none")]
        options: Option<String>,
    },
}

/// A secret or config that a service is given as a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileGrant {
    /// The key under `secrets:` or `configs:`.
    pub source: String,
    /// The absolute path inside.
    pub target: String,
    /// The owner.
    pub uid: u32,
    /// The group.
    pub gid: u32,
    /// The mode, such as `0o400`.
    pub mode: u32,
}

/// Where a secret or config comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileSource {
    /// Its kind.
    pub origin: FileOrigin,
    /// SHA-256 of the content in hex; empty for a generated one, and until the shell has read the file.
    pub digest: String,
}

/// The kind of a secret's or config's source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileOrigin {
    /// A file beside the compose file, absolute.
    File(String),
    /// A variable of the person's environment, by name.
    Environment(String),
    /// Text in the compose file (configs only).
    Content(String),
    /// `x-mainstay: generate: N`: made once of N random bytes and kept in the engine.
    Generated {
        /// How many random bytes; written as twice as many hex digits.
        bytes: u32,
    },
}

/// How health is told. Every field overlays the image's.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Healthcheck {
    /// `CMD …`, `CMD-SHELL …` or `NONE`; the image's when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<Vec<String>>,
    /// The engine's time between two probes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval_ms: Option<u64>,
    /// How long one probe may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Failures in a row that make it unhealthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
    /// Failures in this time after the start do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period_ms: Option<u64>,
    /// The time between two probes within the start period (engine 25 and later).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_interval_ms: Option<u64>,
}

impl Healthcheck {
    /// Whether the file switches the health check off.
    #[must_use]
    pub fn is_disabled(&self) -> bool {
        self.test.as_deref().is_some_and(|test| test.first().is_some_and(|kind| kind == "NONE"))
    }
}

/// What happens when a container ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Nothing.
    #[default]
    No,
    /// It starts again, also after a restart of the engine.
    Always,
    /// The same, unless a person stopped it.
    UnlessStopped,
    /// It starts again after a failure, so often at most (0: always).
    OnFailure {
        /// The bound; 0 is none.
        max_retries: u32,
    },
}

/// Limits and reservations.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Resources {
    /// The memory that it may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// The memory that it is left when the host runs short.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_reservation_bytes: Option<u64>,
    /// Memory and swap together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_swap_bytes: Option<i64>,
    /// Processor time, in billionths of a core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nano_cpus: Option<u64>,
    /// Weight against others when processors are short; 1024 is the engine's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_shares: Option<u64>,
    /// The cores that it may use, as `0-2,4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpuset: Option<String>,
    /// How many processes and threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<i64>,
    /// The size of `/dev/shm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shm_bytes: Option<u64>,
    /// Soft and hard limits by name.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub ulimits: IndexMap<String, (i64, i64)>,
}

/// What a container may and may not do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Security {
    /// Everything is allowed.
    #[serde(skip_serializing_if = "is_false")]
    pub privileged: bool,
    /// The root file system cannot be written.
    #[serde(skip_serializing_if = "is_false")]
    pub read_only: bool,
    /// Capabilities given.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_add: Vec<String>,
    /// Capabilities taken.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cap_drop: Vec<String>,
    /// Such as `no-new-privileges:true`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub security_opt: Vec<String>,
    /// Devices, as `host:container:rwm`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
    /// `host`, `service:NAME` and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<String>,
    /// `host`, `shareable`, `private` and so on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipc: Option<String>,
}

/// Where output goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    /// Such as `json-file`; the engine's own when empty.
    pub driver: String,
    /// The driver's options.
    pub options: IndexMap<String, String>,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Network {
    /// Its name in the engine: `PROJECT_KEY` unless the file names it.
    pub name: String,
    /// It is not ours: it must be there, and it is never made or removed.
    pub external: bool,
    /// `bridge` unless the file says otherwise.
    pub driver: String,
    /// The driver's options.
    pub driver_opts: IndexMap<String, String>,
    /// Nothing reaches it from outside, and it reaches nothing outside.
    pub internal: bool,
    /// Containers of others may join (overlay).
    pub attachable: bool,
    /// IPv6 is on.
    pub enable_ipv6: bool,
    /// Labels of the user's own.
    pub labels: IndexMap<String, String>,
    /// Address ranges.
    pub ipam: Vec<Subnet>,
}

/// An address range of a network.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Subnet {
    /// Such as `10.1.0.0/24`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
    /// The part that addresses are given from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip_range: Option<String>,
    /// The gateway's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
}

/// A named volume.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Volume {
    /// Its name in the engine: `PROJECT_KEY` unless the file names it.
    pub name: String,
    /// It is not ours: it must be there, and it is never made or removed.
    pub external: bool,
    /// `local` unless the file says otherwise.
    pub driver: String,
    /// The driver's options.
    pub driver_opts: IndexMap<String, String>,
    /// Labels of the user's own.
    pub labels: IndexMap<String, String>,
}
