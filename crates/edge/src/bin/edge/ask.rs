//! The verbs that speak to a running edge.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::Path;

use clap::Subcommand;
use mainstay_edge::admin::client;
use mainstay_edge::admin::{Ask, Reply, Shown};
use mainstay_edge::balance::Change;
use mainstay_edge::ledger::Snapshot;
use mainstay_edge::trial::Conduct;

use crate::certificates;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Say whether the edge serves; for the container's health check.
    Healthcheck,
    /// Show the targets, and how each stands.
    Targets {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Add targets. They get requests once their release does.
    Add {
        service: String,
        /// Where they listen, as NAME:PORT.
        #[arg(required = true, value_parser = place)]
        targets: Vec<(String, u16)>,
        /// The release that it is of.
        #[arg(long)]
        release: String,
    },
    /// Give the requests of a service to these releases and no others.
    Route {
        service: String,
        /// RELEASE, or RELEASE=SHARE for a part of the requests.
        #[arg(required = true, value_parser = share)]
        releases: Vec<(String, u32)>,
        /// Also to a release of which no target is ready.
        #[arg(long)]
        force: bool,
    },
    /// Give a new release a growing part of the requests, and take it back where it does worse. `edge route` makes it
    /// last; otherwise all is as before after a while.
    Try {
        /// SERVICE=RELEASE.
        #[arg(required = true, value_parser = of_service)]
        releases: Vec<(String, String)>,
        #[command(flatten)]
        conduct: Conduct,
    },
    /// End a trial: what was before gets the requests again.
    Back { service: String },
    /// Let all targets of a service but these end their requests, and forget them.
    Retire {
        service: String,
        /// The targets that stay; none stays where none is named.
        #[arg(long, value_delimiter = ',')]
        keep: Vec<String>,
        /// At most so many seconds.
        #[arg(long, value_name = "SECONDS", default_value_t = 30)]
        wait: u64,
    },
    /// Give a target no new requests, for good.
    Drain {
        service: String,
        name: String,
        /// Wait until it has none, at most so many seconds.
        #[arg(long, value_name = "SECONDS")]
        wait: Option<u64>,
    },
    /// Forget a target that drains.
    Remove { service: String, name: String },
    /// Wait until targets of a release are ready: those that are named, else all of it.
    Ready {
        service: String,
        release: String,
        targets: Vec<String>,
        /// At most so many seconds.
        #[arg(long, value_name = "SECONDS", default_value_t = 60)]
        wait: u64,
    },
    /// Let the requests of a service wait.
    Hold { service: String },
    /// Let them wait no longer.
    Release { service: String },
    /// Answer the requests of a service that it is closed for maintenance, or no longer.
    Maintenance {
        service: String,
        #[arg(value_name = "on|off", action = clap::ArgAction::Set, value_parser = mainstay_edge::settings::switch())]
        on: bool,
    },
    /// Show what became of the requests, by release.
    Ledger {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show the certificates, and when each ends.
    Certificates {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print the certificate of the local authority, for who is to trust it.
    Authority,
    /// Order a certificate for a domain now, whenever the next one would be.
    Renew { domain: String },
    /// Make the changes of a JSON list, all in one moment or none.
    Apply {
        /// The list; standard input where it is not given.
        changes: Option<String>,
    },
}

/// Standard input is an operator's, and still has an end.
const LONGEST_INPUT: u64 = 1024 * 1024;

pub(crate) fn run(verb: Verb, socket: &Path) -> Result<(), String> {
    let (asks, json) = asks(verb)?;
    for ask in asks {
        let reply = client::ask(socket, &ask).map_err(|error| {
            format!(
                "ask the edge at {}: {error}\n\nhint: `edge serve` has to run here; --socket names another place",
                socket.display()
            )
        })?;
        show(reply, json)?;
    }
    Ok(())
}

/// What is to be asked, one after the other, and whether the answer is wanted as JSON.
fn asks(verb: Verb) -> Result<(Vec<Ask>, bool), String> {
    let change = |change| (vec![Ask::Change { changes: vec![change] }], false);
    Ok(match verb {
        Verb::Healthcheck => (vec![Ask::Health], false),
        Verb::Targets { json } => (vec![Ask::Targets], json),
        Verb::Ledger { json } => (vec![Ask::Ledger], json),
        Verb::Certificates { json } => (vec![Ask::Certificates], json),
        Verb::Authority => (vec![Ask::Authority], false),
        Verb::Renew { domain } => (vec![Ask::Renew { domain }], false),
        Verb::Add { service, targets, release } => {
            let add = |(name, port)| Change::Add { service: service.clone(), name, port, release: release.clone() };
            (vec![Ask::Change { changes: targets.into_iter().map(add).collect() }], false)
        }
        Verb::Try { releases, conduct } => {
            (vec![Ask::Try { releases: releases.into_iter().collect(), conduct }], false)
        }
        Verb::Back { service } => change(Change::Back { service }),
        Verb::Retire { service, keep, wait } => (vec![Ask::Retire { service, keep, seconds: wait }], false),
        Verb::Route { service, releases, force } => {
            let shares: BTreeMap<String, u32> = releases.into_iter().collect();
            change(Change::Route { service, shares, force })
        }
        Verb::Drain { service, name, wait } => {
            let (mut asks, _) = change(Change::Drain { service: service.clone(), name: name.clone() });
            asks.extend(wait.map(|seconds| Ask::Drained { service, name, seconds }));
            (asks, false)
        }
        Verb::Remove { service, name } => change(Change::Remove { service, name }),
        Verb::Ready { service, release, targets, wait } => {
            (vec![Ask::Ready { service, release, targets, seconds: wait }], false)
        }
        Verb::Hold { service } => change(Change::Hold { service }),
        Verb::Release { service } => change(Change::Release { service }),
        Verb::Maintenance { service, on } => change(Change::Maintenance { service, on }),
        Verb::Apply { changes } => {
            let text = changes.map_or_else(standard_input, Ok)?;
            let changes = serde_json::from_str(&text).map_err(|error| {
                format!(
                    "read the changes: {error}\n\nhint: a list such as [{{\"do\": \"hold\", \"service\": \"app\"}}]"
                )
            })?;
            (vec![Ask::Change { changes }], false)
        }
    })
}

fn standard_input() -> Result<String, String> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(LONGEST_INPUT).read_to_string(&mut text);
    read.map(|_| text).map_err(|error| format!("read the changes: {error}"))
}

fn show(reply: Reply, json: bool) -> Result<(), String> {
    let text = match reply {
        Reply::Done | Reply::Retired { left: 0 } => return Ok(()),
        Reply::Retired { left } => format!("{left} requests have not ended; they go on until their target stops\n"),
        Reply::Refused { error } => return Err(error),
        Reply::Targets { services } if json => pretty(&services)?,
        Reply::Ledger { services } if json => pretty(&services)?,
        Reply::Certificates { certificates } if json => pretty(&certificates)?,
        Reply::Targets { services } => targets(&services),
        Reply::Certificates { certificates } => certificates::table(&certificates),
        Reply::Authority { pem } => pem,
        Reply::Ledger { services } => ledger(&services),
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| format!("write: {error}"))
}

fn pretty(value: &impl serde::Serialize) -> Result<String, String> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(|error| error.to_string())
}

fn targets(services: &BTreeMap<String, Shown>) -> String {
    let mut text = format!(
        "{:<12} {:<28} {:<14} {:>6} {:<10} {:>9}\n",
        "SERVICE", "TARGET", "RELEASE", "SHARE", "PHASE", "IN FLIGHT"
    );
    for (name, service) in services {
        for target in &service.targets {
            let share = service.shares.get(&target.release).copied().unwrap_or(0);
            let place = format!("{}:{}", target.name, target.port);
            let phase = format!("{:?}", target.phase).to_lowercase();
            text += &format!(
                "{name:<12} {place:<28} {:<14} {share:>6} {phase:<10} {:>9}\n",
                target.release, target.in_flight
            );
        }
        if service.on_trial {
            text +=
                &format!("{name:<12} on trial: back to what was before, unless `edge route {name}` makes it last\n");
        }
        if service.maintenance {
            text += &format!("{name:<12} closed: requests get 503 until `edge maintenance {name} off`\n");
        }
        if service.held {
            text += &format!("{name:<12} held: requests wait until `edge release {name}`\n");
        }
    }
    text
}

fn ledger(services: &BTreeMap<String, BTreeMap<String, Snapshot>>) -> String {
    let mut text = format!(
        "{:<12} {:<14} {:>9} {:>7} {:>7} {:>8} {:>7} {:>8}\n",
        "SERVICE", "RELEASE", "ANSWERED", "ERRORS", "FAILED", "REFUSED", "HELD", "RETRIED"
    );
    for (service, releases) in services {
        for (release, counts) in releases {
            let Snapshot { answered, errors, failed, refused, held, retried, .. } = counts;
            let release = if release.is_empty() { "-" } else { release };
            text += &format!("{service:<12} {release:<14} {answered:>9} {errors:>7} {failed:>7} {refused:>8} ");
            text += &format!("{held:>7} {retried:>8}\n");
        }
    }
    text
}

fn place(text: &str) -> Result<(String, u16), String> {
    let parsed = text.rsplit_once(':').and_then(|(name, port)| Some((name.to_owned(), port.parse().ok()?)));
    parsed.filter(|(name, _)| !name.is_empty()).ok_or_else(|| "a target is named NAME:PORT".to_owned())
}

fn of_service(text: &str) -> Result<(String, String), String> {
    let parsed = text.split_once('=').map(|(service, release)| (service.to_owned(), release.to_owned()));
    parsed.filter(|(s, r)| !s.is_empty() && !r.is_empty()).ok_or_else(|| "it is written SERVICE=RELEASE".to_owned())
}

fn share(text: &str) -> Result<(String, u32), String> {
    let Some((release, share)) = text.rsplit_once('=') else { return Ok((text.to_owned(), 1)) };
    let share = share.parse().map_err(|_| "a share is a whole number".to_owned())?;
    Ok((release.to_owned(), share))
}
