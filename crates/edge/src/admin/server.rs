//! Answers the operator.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{sleep, timeout};

use super::{Ask, LONGEST_LINE, Reply, Shown, ShownTarget};
use crate::balance::{Change, Phase, Service};
use crate::journal::Journal;
use crate::server::Shared;
use crate::trial::{self, Conduct};

/// When the process has no descriptor left for a connection, others have to end first.
const PAUSE_AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(50);

/// Listens on the socket. Ends never.
///
/// # Errors
///
/// The socket cannot be made.
pub async fn serve(shared: Arc<Shared>, journal: Arc<Journal>, path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(talk(Arc::clone(&shared), Arc::clone(&journal), stream))),
            Err(_) => sleep(PAUSE_AFTER_ACCEPT_ERROR).await,
        }
    }
}

/// One line, one answer, until the operator leaves.
async fn talk(shared: Arc<Shared>, journal: Arc<Journal>, stream: UnixStream) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = Vec::new();
        if (&mut read).take(LONGEST_LINE).read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let reply = match serde_json::from_slice(&line) {
            Ok(Ask::Try { releases, conduct }) => tokio::select! {
                reply = on_trial(&shared, releases, conduct) => reply,
                // Who asked is gone: all is as before.
                _ = read.fill_buf() => return Ok(()),
            },
            Ok(ask) => answer(&shared, &journal, ask).await,
            Err(error) => Reply::Refused { error: format!("this is not understood: {error}") },
        };
        let mut text = serde_json::to_vec(&reply)?;
        text.push(b'\n');
        write.write_all(&text).await?;
    }
}

/// Conducts a trial, and takes it back where nobody makes it last.
async fn on_trial(shared: &Arc<Shared>, releases: BTreeMap<String, String>, conduct: Conduct) -> Reply {
    if let Err(error) = trial::conduct(shared, &releases, conduct).await {
        return Reply::Refused { error };
    }
    let shared = Arc::clone(shared);
    drop(tokio::spawn(async move {
        sleep(Duration::from_millis(conduct.confirm_ms)).await;
        // Another trial of the same release may have begun; it is taken back too soon then, which is safe.
        let still = |(service, release): &(&String, &String)| {
            let services = shared.balancer.services();
            services.get(*service).is_some_and(|found| found.shares.contains_key(*release))
        };
        let services: Vec<String> = releases.iter().filter(still).map(|(service, _)| service.clone()).collect();
        trial::back(&shared, &services);
    }));
    Reply::Done
}

async fn answer(shared: &Shared, journal: &Journal, ask: Ask) -> Reply {
    let done = match ask {
        Ask::Change { changes } => change(shared, journal, &changes),
        Ask::Ready { service, release, targets, seconds } => ready(shared, &service, &release, &targets, seconds).await,
        Ask::Drained { service, name, seconds } => drained(shared, &service, &name, seconds).await,
        Ask::Retire { service, keep, seconds } => {
            return match retire(shared, journal, service, keep, seconds).await {
                Ok(left) => Reply::Retired { left },
                Err(error) => Reply::Refused { error },
            };
        }
        // Taken before, since it has to notice when who asked leaves.
        Ask::Try { .. } => Err("a trial is asked for on a connection of its own".to_owned()),
        // An edge that stands by for another one is as it should be.
        Ask::Health => Ok(()),
        Ask::Targets => {
            let services = shared.balancer.services();
            return Reply::Targets { services: services.iter().map(|(name, s)| (name.clone(), shown(s))).collect() };
        }
        Ask::Ledger => return Reply::Ledger { services: shared.ledger.snapshot() },
        Ask::Certificates | Ask::Authority | Ask::Renew { .. } => return of_tls(shared, &ask),
    };
    done.map_or_else(|error| Reply::Refused { error }, |()| Reply::Done)
}

fn of_tls(shared: &Shared, ask: &Ask) -> Reply {
    let none = || "this edge speaks no TLS\n\nhint: EDGE_LISTEN_TLS says where it shall".to_owned();
    let Some(tls) = &shared.tls else { return Reply::Refused { error: none() } };
    match ask {
        Ask::Authority => Reply::Authority { pem: tls.authority() },
        Ask::Renew { domain } => {
            tls.renew(domain).map_or_else(|error| Reply::Refused { error: error.to_string() }, |()| Reply::Done)
        }
        _ => Reply::Certificates { certificates: tls.status() },
    }
}

fn change(shared: &Shared, journal: &Journal, changes: &[Change]) -> Result<(), String> {
    if !shared.duty.is_on() {
        return Err(
            "another edge has taken over\n\nhint: `edge targets` in its container shows what it does".to_owned()
        );
    }
    let services = shared.balancer.apply(changes).map_err(|refusal| refusal.to_string())?;
    journal.keep(&services).map_err(|error| {
        format!("the change holds, but the journal cannot be written: {error}\n\nhint: after a restart it is forgotten; see to the volume of the edge")
    })
}

async fn ready(shared: &Shared, service: &str, release: &str, targets: &[String], seconds: u64) -> Result<(), String> {
    let mut changes = shared.balancer.changes();
    let all_ready = async {
        while !is_all_ready(shared, service, release, targets) {
            // The balancer is ours, so the sender is there.
            let _ = changes.changed().await;
        }
    };
    let waited = timeout(Duration::from_secs(seconds), all_ready).await;
    waited.map_err(|_| format!("release `{release}` of service `{service}` is not ready after {seconds} s\n\nhint: `edge targets` says how each target stands"))
}

/// Whether each target that was named is ready; where none was, whether there are some that stay, and each of them is.
fn is_all_ready(shared: &Shared, service: &str, release: &str, targets: &[String]) -> bool {
    let services = shared.balancer.services();
    let Some(found) = services.get(service) else { return false };
    let of_it = found.members.iter().filter(|member| member.target.release == release);
    let mut stay = of_it.filter(|member| member.health.phase() != Phase::Draining).peekable();
    if targets.is_empty() {
        return stay.peek().is_some() && stay.all(|member| member.health.phase() == Phase::Healthy);
    }
    let ready: Vec<&str> = stay
        .filter(|member| member.health.phase() == Phase::Healthy)
        .map(|member| member.target.name.as_str())
        .collect();
    targets.iter().all(|name| ready.contains(&name.as_str()))
}

async fn drained(shared: &Shared, service: &str, name: &str, seconds: u64) -> Result<(), String> {
    let services = shared.balancer.services();
    let members = services.get(service).map(|found| found.members.as_slice()).unwrap_or_default();
    let leaving: Vec<_> = members.iter().filter(|member| member.target.name == name).collect();
    if leaving.iter().any(|member| member.health.phase() != Phase::Draining) {
        return Err(format!(
            "target `{name}` of service `{service}` does not drain\n\nhint: edge drain {service} {name}"
        ));
    }
    let empty = async {
        for member in &leaving {
            member.target.empty().await;
        }
    };
    let waited = timeout(Duration::from_secs(seconds), empty).await;
    let left: usize = leaving.iter().map(|member| member.target.in_flight()).sum();
    waited.map_err(|_| format!("target `{name}` of service `{service}` still has {left} requests after {seconds} s"))
}

async fn retire(
    shared: &Shared,
    journal: &Journal,
    service: String,
    keep: Vec<String>,
    seconds: u64,
) -> Result<usize, String> {
    change(shared, journal, &[Change::Keep { service: service.clone(), names: keep }])?;
    let services = shared.balancer.services();
    let members = services.get(&service).map(|found| found.members.as_slice()).unwrap_or_default();
    let leaving: Vec<_> = members.iter().filter(|member| member.health.phase() == Phase::Draining).collect();
    let empty = async {
        for member in &leaving {
            member.target.empty().await;
        }
    };
    let _ = timeout(Duration::from_secs(seconds), empty).await;
    let left = leaving.iter().map(|member| member.target.in_flight()).sum();
    let names: BTreeSet<&str> = leaving.iter().map(|member| member.target.name.as_str()).collect();
    let gone = names.into_iter().map(|name| Change::Remove { service: service.clone(), name: name.to_owned() });
    change(shared, journal, &gone.collect::<Vec<_>>()).map(|()| left)
}

fn shown(service: &Service) -> Shown {
    let target = |member: &crate::balance::Member| ShownTarget {
        name: member.target.name.clone(),
        port: member.target.port,
        release: member.target.release.clone(),
        phase: member.health.phase(),
        in_flight: member.target.in_flight(),
    };
    Shown {
        shares: service.shares.clone(),
        on_trial: service.before_trial.is_some(),
        held: service.held,
        maintenance: service.maintenance,
        targets: service.members.iter().map(target).collect(),
    }
}
