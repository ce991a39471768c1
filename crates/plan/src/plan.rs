//! The plan: what will be done, in order, each step with its reason.
//!
//! A plan is complete before anything starts. Containers are addressed by name,
//! waits are steps with a bound, a destructive step is marked, and what undoes a
//! failed step stands beside it. Its text ([`std::fmt::Display`]) is what a
//! person reads before it runs and what the tests assert.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::spec::{ContainerSpec, StoreFile};
use crate::stack::{FileOrigin, Network, Volume};

/// What will be done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Plan {
    /// The project.
    pub project: String,
    /// The steps; a step only ever waits for steps before it.
    pub steps: Vec<PlannedStep>,
    /// What people notice of it.
    pub downtime: Downtime,
    /// What a person should know, and no step mends.
    pub warnings: Vec<String>,
}

/// The index of a step in its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct StepId(pub usize);

/// A step, and why, and what it waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedStep {
    /// What is done: one call of the engine, or one wait.
    pub step: Step,
    /// Why, for a person.
    pub reason: String,
    /// The fields that differ, where that is why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// The steps that must have ended well before.
    pub after: Vec<StepId>,
    /// What puts things back when this step fails.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cleanup: Vec<Step>,
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Its path, such as `environment.LOG_LEVEL`.
    pub field: String,
    /// What it is; empty where it is not set.
    pub from: String,
    /// What it will be; empty where it is taken away.
    pub to: String,
}

/// One engine call, or one wait.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Step {
    /// Pulls an image; a Debian base is made from packages where no registry answers.
    PullImage {
        /// The reference.
        image: String,
        /// The platform, where the file asks for one.
        platform: Option<String>,
    },
    /// Builds an image.
    BuildImage {
        /// The service whose `build` it is.
        service: String,
        /// The reference that the result is given.
        image: String,
    },
    /// Makes a network.
    CreateNetwork {
        /// Its key in the file.
        key: String,
        /// What it is.
        network: Network,
    },
    /// Removes a network.
    RemoveNetwork {
        /// Its name.
        name: String,
    },
    /// Makes a volume.
    CreateVolume {
        /// Its key in the file.
        key: String,
        /// What it is.
        volume: Volume,
    },
    /// Removes a volume and the data on it.
    RemoveVolume {
        /// Its name.
        name: String,
    },
    /// Makes the volume that keeps secrets and configs, and the container (never started) that reaches it.
    CreateStore,
    /// Removes them; generated secrets are gone.
    RemoveStore,
    /// Sees to it that a secret or config is in the store. What is there is kept.
    StoreFile {
        /// `secret` or `config`.
        kind: FileKind,
        /// Its key in the file.
        key: String,
        /// Where the content comes from.
        origin: FileOrigin,
        /// The copies wanted.
        copies: Vec<StoreFile>,
    },
    /// Makes a container.
    CreateContainer {
        /// Its name.
        name: String,
        /// What it is made from.
        spec: Box<ContainerSpec>,
        /// The number of the release that it is of.
        release: u32,
        /// Anonymous volumes of the container that it replaces, by path.
        carry: BTreeMap<String, String>,
    },
    /// Starts a container.
    StartContainer {
        /// Its name.
        name: String,
    },
    /// Thaws a container.
    UnpauseContainer {
        /// Its name.
        name: String,
    },
    /// Stops a container in its own time.
    StopContainer {
        /// Its name.
        name: String,
        /// The time before SIGKILL; its own when absent.
        grace_ms: Option<u64>,
    },
    /// Removes a stopped container; anonymous volumes stay.
    RemoveContainer {
        /// Its name.
        name: String,
    },
    /// Gives a container another name.
    RenameContainer {
        /// Its name.
        from: String,
        /// Its name afterwards.
        to: String,
    },
    /// Waits until a container's health check passes; without one, until it has kept running for a moment.
    WaitReady {
        /// Its name.
        name: String,
        /// The bound.
        timeout_ms: u64,
    },
    /// Waits until a container has ended with exit code 0.
    WaitCompleted {
        /// Its name.
        name: String,
        /// The bound.
        timeout_ms: u64,
    },
    /// Tells an edge of targets, which it probes from now on.
    AddTargets {
        /// The edge's container.
        edge: String,
        /// Their service.
        service: String,
        /// Their release.
        release: String,
        /// The targets, by name.
        targets: Vec<String>,
        /// Where they listen.
        port: u16,
    },
    /// Waits until an edge has found targets of a release ready.
    WaitTargets {
        /// The edge's container.
        edge: String,
        /// The service.
        service: String,
        /// The release.
        release: String,
        /// The targets.
        targets: Vec<String>,
        /// The containers that the targets are in: one that ends is not waited for.
        containers: Vec<String>,
        /// The bound.
        timeout_ms: u64,
    },
    /// Gives new releases a growing part of the requests, and fails where one does worse than what ran before.
    TryReleases {
        /// The edge's container.
        edge: String,
        /// The release, by service.
        releases: BTreeMap<String, String>,
        /// How long it is watched.
        window_ms: u64,
        /// Failures that are accepted beyond those of the old release, in one of a thousand.
        tolerated_permille: u64,
    },
    /// Gives the requests of services to these releases and no others, all in one moment.
    RouteRequests {
        /// The edge's container.
        edge: String,
        /// Each release's share, by service.
        routes: BTreeMap<String, BTreeMap<String, u32>>,
        /// Also to a release of which no target is ready.
        force: bool,
    },
    /// Lets every other target of a service end its requests, and forgets it.
    RetireTargets {
        /// The edge's container.
        edge: String,
        /// The service.
        service: String,
        /// The targets that stay.
        keep: Vec<String>,
        /// How long requests may take to end.
        timeout_ms: u64,
    },
}

/// Which of the two kinds of files the store keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// From `secrets:`.
    Secret,
    /// From `configs:`.
    Config,
}

impl FileKind {
    /// The word in names and messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Config => "config",
        }
    }
}

/// What people notice of a plan, from nothing to the worst.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize)]
#[serde(tag = "class", rename_all = "snake_case")]
pub enum Downtime {
    /// Nothing that runs is interrupted.
    #[default]
    None,
    /// Requests wait for a moment, and none fails.
    Held {
        /// The services that they wait for.
        services: Vec<String>,
    },
    /// These services are away for a moment.
    Interruption {
        /// Which.
        services: Vec<String>,
    },
    /// Data is gone afterwards.
    DataDestroyed {
        /// The volumes that it is on.
        volumes: Vec<String>,
    },
}

impl Plan {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// How long it is, for a person: `1 step`, `12 steps`.
    #[must_use]
    pub fn length(&self) -> String {
        let count = self.steps.len();
        format!("{count} step{}", if count == 1 { "" } else { "s" })
    }

    /// Whether it destroys data, which a person must have agreed to.
    #[must_use]
    pub fn is_destructive(&self) -> bool {
        self.steps.iter().any(|planned| planned.step.is_destructive())
    }
}

impl Step {
    /// Whether data is gone afterwards.
    #[must_use]
    pub fn is_destructive(&self) -> bool {
        matches!(self, Self::RemoveVolume { .. } | Self::RemoveStore)
    }

    /// Whether it only looks and waits.
    #[must_use]
    pub fn is_wait(&self) -> bool {
        matches!(
            self,
            Self::WaitReady { .. }
                | Self::WaitCompleted { .. }
                | Self::WaitTargets { .. }
                | Self::TryReleases { .. }
                | Self::RetireTargets { .. }
        )
    }

    /// What it does, as a verb and an object: `create network shop_data`.
    #[must_use]
    pub fn title(&self) -> String {
        format!("{} {}", self.verb(), self.object())
    }

    /// The verb.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::PullImage { .. } => "pull image",
            Self::BuildImage { .. } => "build image",
            Self::CreateNetwork { .. } => "create network",
            Self::RemoveNetwork { .. } => "remove network",
            Self::CreateVolume { .. } => "create volume",
            Self::RemoveVolume { .. } => "remove volume",
            Self::CreateStore => "create",
            Self::RemoveStore => "remove",
            Self::StoreFile { kind: FileKind::Secret, .. } => "store secret",
            Self::StoreFile { kind: FileKind::Config, .. } => "store config",
            Self::CreateContainer { .. } => "create container",
            Self::StartContainer { .. } => "start container",
            Self::UnpauseContainer { .. } => "unpause container",
            Self::StopContainer { .. } => "stop container",
            Self::RemoveContainer { .. } => "remove container",
            Self::RenameContainer { .. } => "rename container",
            Self::WaitReady { .. } | Self::WaitCompleted { .. } | Self::WaitTargets { .. } => "wait for",
            Self::AddTargets { .. } => "add targets",
            Self::TryReleases { .. } => "try",
            Self::RouteRequests { .. } => "route",
            Self::RetireTargets { .. } => "retire targets",
        }
    }

    /// The thing that it is done to.
    #[must_use]
    pub fn object(&self) -> String {
        match self {
            Self::PullImage { image, .. } | Self::BuildImage { image, .. } => image.clone(),
            Self::CreateNetwork { network, .. } => network.name.clone(),
            Self::CreateVolume { volume, .. } => volume.name.clone(),
            Self::RemoveNetwork { name } | Self::RemoveVolume { name } => name.clone(),
            Self::CreateStore | Self::RemoveStore => "the store of secrets and configs".to_owned(),
            Self::StoreFile { key, .. } => key.clone(),
            Self::CreateContainer { name, .. }
            | Self::StartContainer { name }
            | Self::UnpauseContainer { name }
            | Self::StopContainer { name, .. }
            | Self::RemoveContainer { name } => name.clone(),
            Self::RenameContainer { from, to } => format!("{from} to {to}"),
            Self::WaitReady { name, timeout_ms } => format!("{name} to be ready, {} s at most", timeout_ms / 1000),
            Self::WaitCompleted { name, timeout_ms } => format!("{name} to complete, {} s at most", timeout_ms / 1000),
            Self::AddTargets { edge, targets, .. } => format!("{} to {edge}", targets.join(", ")),
            Self::WaitTargets { service, release, timeout_ms, .. } => {
                format!("release {release} of {service} to be ready, {} s at most", timeout_ms / 1000)
            }
            Self::TryReleases { releases, window_ms, .. } => {
                let each = releases.iter().map(|(service, release)| format!("release {release} of {service}"));
                format!("{} for {} s", each.collect::<Vec<_>>().join(" and "), Seconds(*window_ms))
            }
            Self::RouteRequests { routes, .. } => routes.iter().map(route).collect::<Vec<_>>().join(" and "),
            Self::RetireTargets { service, keep, .. } if keep.is_empty() => format!("of {service}"),
            Self::RetireTargets { service, keep, .. } => format!("of {service} other than {}", keep.join(", ")),
        }
    }
}

/// `app to release 12`, or to several with their shares.
fn route((service, shares): (&String, &BTreeMap<String, u32>)) -> String {
    let one = |(release, share): (&String, &u32)| match shares.len() {
        1 => release.clone(),
        _ => format!("{release} ({share})"),
    };
    format!("requests of {service} to release {}", shares.iter().map(one).collect::<Vec<_>>().join(", "))
}

/// Milliseconds as seconds, with a fraction only where there is one.
struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 % 1000 {
            0 => write!(f, "{}", self.0 / 1000),
            _ => write!(f, "{}.{}", self.0 / 1000, self.0 % 1000 / 100),
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            writeln!(f, "{}: nothing to do", self.project)?;
        } else {
            writeln!(f, "{}: {}, {}", self.project, self.length(), self.downtime)?;
        }
        for (index, planned) in self.steps.iter().enumerate() {
            writeln!(f, "{:>3}. {planned}", index + 1)?;
        }
        for warning in &self.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        Ok(())
    }
}

impl fmt::Display for PlannedStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.step.title())?;
        if self.step.is_destructive() {
            f.write_str(" (destroys data)")?;
        }
        if !self.reason.is_empty() {
            write!(f, ": {}", self.reason)?;
        }
        if !self.after.is_empty() {
            let after: Vec<String> = self.after.iter().map(|id| (id.0 + 1).to_string()).collect();
            write!(f, " [after {}]", after.join(", "))?;
        }
        for change in &self.changes {
            write!(f, "\n       {change}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |text: &str| if text.is_empty() { "(not set)".to_owned() } else { text.to_owned() };
        write!(f, "{}: {} -> {}", self.field, shown(&self.from), shown(&self.to))
    }
}

impl fmt::Display for Downtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("no downtime"),
            Self::Held { services } => write!(f, "requests held for {}", services.join(", ")),
            Self::Interruption { services } => write!(f, "interrupts {}", services.join(", ")),
            Self::DataDestroyed { volumes } => write!(f, "destroys the data on {}", volumes.join(", ")),
        }
    }
}
