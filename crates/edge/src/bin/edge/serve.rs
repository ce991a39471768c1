//! `edge serve`.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZero;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, UNIX_EPOCH};

use clap::Args;
use mainstay_edge::balance::{Change, Service};
use mainstay_edge::handover::{self, Listening, Taken};
use mainstay_edge::journal::Journal;
use mainstay_edge::route::{Route, Routes};
use mainstay_edge::server::{self, Listeners, Shared};
use mainstay_edge::settings::Settings;
use mainstay_edge::tls::{self, Tls, TlsSettings};
use mainstay_edge::{admin, metrics, namespace, probe, upkeep};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::log::Stdout;

/// How long an edge that takes over waits for its first probes: they take milliseconds where a target is ready.
const WARM: Duration = Duration::from_secs(2);

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 4096;

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where clients come in.
    #[arg(long, env = "EDGE_LISTEN", default_value = "0.0.0.0:8080")]
    listen: SocketAddr,
    /// Where Prometheus reads, at /metrics; nowhere where it is not set. Not for strangers: it names what runs here.
    #[arg(long, env = "EDGE_METRICS")]
    metrics: Option<SocketAddr>,
    /// What the edge was told is kept here, over its own end.
    #[arg(long, env = "EDGE_JOURNAL", default_value = "/var/lib/edge/edge.json")]
    journal: PathBuf,
    /// Where an edge that starts takes the listening sockets from the one that runs, so that no connection is dropped.
    #[arg(long, env = "EDGE_HANDOVER", default_value = "/var/lib/edge/handover.sock")]
    handover: PathBuf,
    /// Which service answers what, as [HOST]/PATH=SERVICE.
    #[arg(long = "route", env = "EDGE_ROUTES", value_delimiter = ',', default_value = "/=app")]
    routes: Vec<Route>,
    /// Targets of services that nobody has said anything of yet, as SERVICE=NAME:PORT: so the edge serves under a plain
    /// `docker compose up`, too.
    #[arg(long = "default-target", env = "EDGE_DEFAULT_TARGETS", value_delimiter = ',', value_parser = default_target)]
    default_targets: Vec<DefaultTarget>,
    /// Threads that serve; as many as there are processors where it is not set.
    #[arg(long, env = "EDGE_THREADS")]
    threads: Option<NonZero<usize>>,
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    tls: TlsSettings,
}

pub(crate) fn run(serve: &Serve, socket: &Path) -> Result<(), String> {
    let journal = Arc::new(Journal::new(serve.journal.clone()));
    let (services, wrong) = journal.recall();
    wrong.iter().for_each(|wrong| warn(wrong));
    let (log, writer) = Stdout::start().map_err(|error| format!("start the log's thread: {error}"))?;
    let (routes, settings) = (Routes::new(serve.routes.clone()), serve.settings.clone());
    let mut shared = Shared::new(services, routes, settings, Box::new(log));
    shared.tls = tls(serve.tls.clone())?;
    let shared = Arc::new(shared);
    shared.pages.reload().iter().for_each(|wrong| warn(wrong));
    add_defaults(&shared, &serve.default_targets)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("start the runtime: {error}"))?;
    let mut serving = Vec::new();
    let governed = runtime.block_on(govern(serve, Arc::clone(&shared), journal, socket, &mut serving));
    // Whoever looks on looks no more; who is served is served to the end.
    runtime.shutdown_background();
    for thread in serving {
        let ended = thread.join().map_err(|_| "a serving thread panicked".to_owned())?;
        ended.map_err(|error| format!("serve: {error}"))?;
    }
    // The last one that has the log, so that its thread writes what is left and ends.
    drop(shared);
    writer.join().map_err(|_| "the log's thread panicked".to_owned())?;
    governed
}

type Serving = Vec<JoinHandle<std::io::Result<()>>>;

/// Probes, takes over from an edge that runs, and does what the operator says, until told to leave.
async fn govern(
    serve: &Serve,
    shared: Arc<Shared>,
    journal: Arc<Journal>,
    socket: &Path,
    serving: &mut Serving,
) -> Result<(), String> {
    let failed = |error| format!("take signals: {error}");
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    tokio::spawn(probe::watch(Arc::clone(&shared)));
    tokio::spawn(upkeep::run(Arc::clone(&shared), warn));
    let leaving = CancellationToken::new();
    let taken = taken(serve, &shared).await;
    let mut sockets = Sockets::new(taken.as_ref());
    let threads = serve.threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZero::get);
    let metrics = serve.metrics.map(|address| sockets.take("metrics", address)).transpose()?;
    let listen_tls = shared.tls.as_ref().and_then(|tls| tls.settings().listen_tls);
    // A queue that was taken over needs somebody who accepts from it, also where there are more of them than threads.
    let queues =
        sockets.waiting("http", serve.listen).max(listen_tls.map_or(0, |address| sockets.waiting("tls", address)));
    for _ in 0..threads.max(queues) {
        let tls = listen_tls.map(|address| sockets.take("tls", address)).transpose()?;
        let listeners = Listeners { plain: sockets.take("http", serve.listen)?, tls };
        let (shared, leaving) = (Arc::clone(&shared), leaving.clone());
        serving.push(std::thread::spawn(move || server::serve(shared, listeners, leaving)));
    }
    if let Some(tls) = &shared.tls {
        tokio::spawn(tls::keep(Arc::clone(tls), warn));
    }
    // Kept to the end: by its own end the other edge would see that this one is gone.
    let other = taken.and_then(|taken| stood_down(taken, &shared, &journal, &serve.default_targets));
    if let Some(listener) = metrics {
        show_metrics(Arc::clone(&shared), listener).map_err(|error| format!("serve the metrics: {error}"))?;
    }
    let on_duty = Arc::clone(&shared);
    let on_duty = &on_duty.duty;
    let given = Giver {
        shared: Arc::downgrade(&shared),
        journal: Arc::clone(&journal),
        defaults: serve.default_targets.clone(),
    };
    if let Err(error) = handover::give(serve.handover.clone(), sockets.given, given) {
        warn(&format!("bind {}: {error}; the next edge cannot take over from this one", serve.handover.display()));
    }
    let ended = tokio::select! {
        ended = admin::serve(shared, journal, socket) => {
            ended.map_err(|error| format!("listen on {}: {error}", socket.display()))
        }
        () = namespace::gone() => Err("the network is gone, since its holder has ended\n\nhint: a restart of the edge joins the holder's new one".to_owned()),
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    // An edge that stands by takes the work up from here on, while what was begun here is ended.
    on_duty.stand_down();
    drop(other);
    leaving.cancel();
    ended
}

/// Service, name and port.
type DefaultTarget = (String, String, u16);

/// The release that targets are of which nobody has named.
const DEFAULT: &str = "default";

/// Services of which the journal knows nothing get the targets that the settings name.
fn add_defaults(shared: &Shared, targets: &[DefaultTarget]) -> Result<(), String> {
    let known = shared.balancer.services();
    let unknown = targets.iter().filter(|(service, ..)| known.get(service).is_none_or(|found| found.shares.is_empty()));
    for (service, name, port) in unknown {
        let release = DEFAULT.to_owned();
        let shares = [(release.clone(), 1)].into();
        let add = Change::Add { service: service.clone(), name: name.clone(), port: *port, release };
        let route = Change::Route { service: service.clone(), shares, force: true };
        let _ = shared.balancer.apply(&[add, route]).map_err(|refusal| refusal.to_string())?;
    }
    Ok(())
}

fn default_target(text: &str) -> Result<DefaultTarget, String> {
    let parsed = text.split_once('=').and_then(|(service, place)| {
        let (name, port) = place.rsplit_once(':')?;
        Some((service.to_owned(), name.to_owned(), port.parse().ok()?))
    });
    parsed.ok_or_else(|| "a default target is written SERVICE=NAME:PORT".to_owned())
}

/// The sockets of an edge that runs, once the targets are known to be ready here as well.
async fn taken(serve: &Serve, shared: &Shared) -> Option<Taken> {
    if !serve.handover.exists() {
        return None;
    }
    // What was never ready stays so for the other edge too: the time is bounded.
    let mut changes = shared.balancer.changes();
    let warm = async {
        while shared.balancer.services().values().any(Service::is_adding) {
            // The balancer is ours, so the sender is there.
            let _ = changes.changed().await;
        }
    };
    let _ = tokio::time::timeout(WARM, warm).await;
    handover::take(&serve.handover).unwrap_or_else(|error| {
        warn(&format!("the edge that runs does not give its sockets: {error}; both accept until one of them ends"));
        None
    })
}

/// Waits until the other edge accepts no more, and goes on by what it was told last.
fn stood_down(taken: Taken, shared: &Shared, journal: &Journal, defaults: &[DefaultTarget]) -> Option<UnixStream> {
    let other = taken.serving();
    let (services, wrong) = journal.recall();
    wrong.iter().for_each(|wrong| warn(wrong));
    shared.balancer.restore(services);
    add_defaults(shared, defaults).unwrap_or_else(|error| warn(&error));
    other.map_err(|error| warn(&format!("the edge that ran does not say that it stood down: {error}"))).ok()
}

/// The listening sockets: those that were taken over, and what has to be bound beside them.
struct Sockets {
    taken: Vec<Listening>,
    /// Duplicates of all that are served, for the next edge.
    given: Vec<Listening>,
}

impl Sockets {
    fn new(taken: Option<&Taken>) -> Self {
        let copy = |listening: &Listening| {
            let socket = listening.socket.try_clone().ok()?;
            Some(Listening { name: listening.name.clone(), socket })
        };
        let taken = taken.map(|taken| taken.sockets.iter().filter_map(copy).collect()).unwrap_or_default();
        Self { taken, given: Vec::new() }
    }

    fn is(listening: &Listening, name: &str, address: SocketAddr) -> bool {
        listening.name == name && listening.socket.local_addr().is_ok_and(|local| local == address)
    }

    /// How many were taken over for this and are not served yet.
    fn waiting(&self, name: &str, address: SocketAddr) -> usize {
        self.taken.iter().filter(|listening| Self::is(listening, name, address)).count()
    }

    /// One that was taken over, else a new one beside the others: the kernel shares the connections out among them.
    fn take(&mut self, name: &str, address: SocketAddr) -> Result<TcpListener, String> {
        let index = self.taken.iter().position(|listening| Self::is(listening, name, address));
        let socket = match index {
            Some(index) => Ok(self.taken.swap_remove(index).socket),
            None => listen(address),
        };
        let both = socket.and_then(|socket| Ok((socket.try_clone()?, socket)));
        let (copy, socket) = both.map_err(|error| format!("listen on {address}: {error}"))?;
        self.given.push(Listening { name: name.to_owned(), socket: copy });
        Ok(socket)
    }
}

/// What this edge does when another takes over, and when that one is gone.
struct Giver {
    /// The thread that waits for the next edge must not keep what ends with this one.
    shared: Weak<Shared>,
    journal: Arc<Journal>,
    defaults: Vec<DefaultTarget>,
}

impl handover::Given for Giver {
    fn is_on_duty(&self) -> bool {
        self.shared.upgrade().is_some_and(|shared| shared.duty.is_on())
    }

    fn stand_down(&self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.duty.stand_down();
        }
    }

    fn take_up(&self) {
        let Some(shared) = self.shared.upgrade() else { return };
        let (services, wrong) = self.journal.recall();
        wrong.iter().for_each(|wrong| warn(wrong));
        shared.balancer.restore(services);
        add_defaults(&shared, &self.defaults).unwrap_or_else(|error| warn(&error));
        shared.duty.take_up();
        warn("the edge that had taken over is gone; this one accepts again");
    }

    fn warn(&self, text: &str) {
        warn(text);
    }
}

fn warn(text: &str) {
    // A log that cannot be written to keeps nobody from being served.
    let _ = writeln!(std::io::stderr(), "warning: {text}");
}

/// Lets Prometheus read, until the edge has left.
fn show_metrics(shared: Arc<Shared>, listener: TcpListener) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let certificates = Arc::clone(&shared);
    let sources = metrics::Sources::new(shared, Arc::new(move || ends(&certificates)));
    tokio::spawn(metrics::serve(sources, listener));
    Ok(())
}

/// Until when each certificate is valid, in seconds since 1970.
fn ends(shared: &Shared) -> Vec<(String, u64)> {
    let certificates = shared.tls.as_ref().map(|tls| tls.status()).unwrap_or_default();
    let each = certificates.into_iter().flat_map(|status| {
        let since = status.not_after.and_then(|end| end.duration_since(UNIX_EPOCH).ok());
        let ends = since.map_or(0, |since| since.as_secs());
        status.names.into_iter().map(move |name| (name, ends))
    });
    each.collect()
}

/// TLS, where it is to be spoken.
fn tls(settings: TlsSettings) -> Result<Option<Arc<Tls>>, String> {
    if settings.listen_tls.is_none() {
        let asked = !settings.domains.0.is_empty();
        let hint = "hint: EDGE_LISTEN_TLS says where, such as 0.0.0.0:8443";
        return if asked { Err(format!("there are domains, and no listener with TLS\n\n{hint}")) } else { Ok(None) };
    }
    let (tls, wrong) = Tls::open(settings).map_err(|error| error.to_string())?;
    wrong.iter().for_each(|wrong| warn(wrong));
    Ok(Some(Arc::new(tls)))
}

/// A listener beside others on the same port; the kernel shares the connections out among them.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
