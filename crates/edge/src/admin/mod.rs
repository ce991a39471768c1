//! The operator's door: a unix socket, on which a line of JSON asks and a line of JSON answers. Nothing of it is on the
//! network; who may reach the socket may run `edge` in its container.

pub mod client;
mod server;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::balance::{Change, Phase};
use crate::ledger::Snapshot;
use crate::tls::Status;
use crate::trial::Conduct;

pub use server::serve;

/// The longest line that is read. A whole environment's changes take a few kilobytes.
const LONGEST_LINE: u64 = 1024 * 1024;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase", deny_unknown_fields)]
pub enum Ask {
    /// Make these changes, all in one moment or none.
    Change {
        /// The changes.
        changes: Vec<Change>,
    },
    /// Answer when these targets are ready, or where none is named every target of the release.
    Ready {
        /// The service.
        service: String,
        /// The release.
        release: String,
        /// The targets.
        #[serde(default)]
        targets: Vec<String>,
        /// After so long, answer that it is not.
        seconds: u64,
    },
    /// Answer when the target has no request any more.
    Drained {
        /// The service.
        service: String,
        /// The target.
        name: String,
        /// After so long, answer that it has.
        seconds: u64,
    },
    /// Let all targets of a service but these end their requests, and forget them.
    Retire {
        /// The service.
        service: String,
        /// The targets that stay.
        keep: Vec<String>,
        /// For so long at most.
        seconds: u64,
    },
    /// Give new releases a growing part of the requests, and judge each against what ran before: answered when they
    /// have all of them, or when one did worse and all are back as before. Who asks makes it last with
    /// [`Change::Route`]; whoever leaves before the answer, or does not do that in time, gets what was before.
    Try {
        /// The new release of each service.
        releases: BTreeMap<String, String>,
        /// How it is done.
        #[serde(flatten)]
        conduct: Conduct,
    },
    /// Whether it serves, or stands by since another edge does.
    Health,
    /// How the targets are.
    Targets,
    /// What became of the requests.
    Ledger,
    /// How the certificates stand.
    Certificates,
    /// The certificate of the local authority.
    Authority,
    /// Order a certificate for the domain now, whenever the next one would be.
    Renew {
        /// The domain.
        domain: String,
    },
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "lowercase")]
pub enum Reply {
    /// It is done, or it is so.
    Done,
    /// The targets are forgotten.
    Retired {
        /// Requests that had not ended in time. They go on.
        left: usize,
    },
    /// It is not.
    Refused {
        /// Why, and what to do.
        error: String,
    },
    /// The targets by service.
    Targets {
        /// The services.
        services: BTreeMap<String, Shown>,
    },
    /// The counts by service and release.
    Ledger {
        /// The services.
        services: BTreeMap<String, BTreeMap<String, Snapshot>>,
    },
    /// The certificates.
    Certificates {
        /// The local one first.
        certificates: Vec<Status>,
    },
    /// The local authority.
    Authority {
        /// Its certificate.
        pem: String,
    },
}

/// A service, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Which releases get requests, and in which proportion.
    pub shares: BTreeMap<String, u32>,
    /// Whether that is a trial.
    #[serde(default)]
    pub on_trial: bool,
    /// Whether requests wait until released.
    pub held: bool,
    /// Whether requests are answered that it is closed.
    #[serde(default)]
    pub maintenance: bool,
    /// The targets.
    pub targets: Vec<ShownTarget>,
}

/// A target, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownTarget {
    /// Its name on the network.
    pub name: String,
    /// Where it listens.
    pub port: u16,
    /// The release that it is of.
    pub release: String,
    /// Where it is on its way.
    pub phase: Phase,
    /// Requests that it has.
    pub in_flight: usize,
}
