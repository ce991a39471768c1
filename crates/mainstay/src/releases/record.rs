//! What is kept of a release.

use std::collections::BTreeMap;

use mainstay_plan::spec::ContainerSpec;
use serde::{Deserialize, Serialize};

/// One release: a change of what runs, and its receipt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Its number; the next is always higher.
    pub(crate) number: u32,
    /// The command that made it, such as `deploy app`.
    pub(crate) verb: String,
    /// When it began, as RFC 3339 text.
    pub(crate) began: String,
    /// How long it took.
    pub(crate) took_ms: u64,
    /// Who made it, as `name@machine`.
    pub(crate) who: String,
    /// The commit that it was made from, with `+` where the folder had changes that are in no commit.
    pub(crate) commit: Option<String>,
    /// How it ended.
    pub(crate) outcome: Outcome,
    /// The release that it went back to, where it is a rollback.
    pub(crate) back_to: Option<u32>,
    /// What was made anew in it, or taken away.
    pub(crate) changed: Vec<Changed>,
    /// What it did to databases, also where it failed afterwards.
    pub(crate) migrated: Vec<Migrated>,
    /// What ran when it had ended, by service.
    pub(crate) services: BTreeMap<String, Version>,
    /// The steps that were taken.
    pub(crate) steps: Vec<StepTaken>,
    /// What the edges counted while it lasted, by service and release.
    pub(crate) ledger: serde_json::Value,
}

/// How a release ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// It has not; or the machine that was at it went away.
    Running,
    /// All of it was done.
    Done,
    /// A step failed, and what ran before runs on.
    Failed {
        /// Why.
        error: String,
    },
    /// A person stopped it.
    Interrupted,
}

/// A service that a release changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Changed {
    pub(crate) service: String,
    /// Why, in the plan's words.
    pub(crate) reason: String,
}

/// What a service's containers were made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Version {
    /// Of its newest container.
    pub(crate) release: u32,
    /// The image, by content.
    pub(crate) image_id: String,
    pub(crate) spec: ContainerSpec,
    /// What the image says of the database's schema.
    pub(crate) schema: Option<Schema>,
}

/// A program that ran to its end, and may have changed a schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Migrated {
    /// The image's name, without its tag: services of the same image share a schema.
    pub(crate) image: String,
    pub(crate) schema: Schema,
}

/// What a version knows of the database's schema, by the labels of its image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Schema {
    /// The version that it brings: `mainstay.schema`.
    pub(crate) version: u32,
    /// The oldest version of the program that can still read that schema: `mainstay.schema.oldest`.
    pub(crate) oldest: u32,
}

/// A step of a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StepTaken {
    pub(crate) title: String,
    pub(crate) reason: String,
    /// Absent where it was not done.
    pub(crate) took_ms: Option<u64>,
}

impl Schema {
    /// From an image's labels.
    pub(crate) fn of(labels: &BTreeMap<String, String>) -> Option<Self> {
        let number = |name: &str| labels.get(name).and_then(|text| text.parse().ok());
        let version = number("mainstay.schema")?;
        Some(Self { version, oldest: number("mainstay.schema.oldest").unwrap_or(version) })
    }
}

impl Record {
    /// Whether it can be gone back to: it ended well, and something ran.
    pub(crate) fn is_good(&self) -> bool {
        self.outcome == Outcome::Done && !self.services.is_empty()
    }

    /// Whether both left the same versions running, as far as both know a service.
    pub(crate) fn runs_the_same_as(&self, other: &Self) -> bool {
        self.services
            .iter()
            .all(|(name, version)| other.services.get(name).is_none_or(|theirs| theirs.is_same(version)))
    }
}

impl Version {
    /// Whether both are made from the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.image_id == other.image_id && self.spec.config_hash() == other.spec.config_hash()
    }
}
