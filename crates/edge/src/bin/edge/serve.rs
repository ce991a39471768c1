//! `edge serve`.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use mainstay_edge::journal::Journal;
use mainstay_edge::route::{Route, Routes};
use mainstay_edge::server::{self, Shared};
use mainstay_edge::settings::Settings;
use mainstay_edge::{admin, metrics, probe, upkeep};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::log::Stdout;

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
    /// Which service answers what, as [HOST]/PATH=SERVICE.
    #[arg(long = "route", env = "EDGE_ROUTES", value_delimiter = ',', default_value = "/=app")]
    routes: Vec<Route>,
    /// Threads that serve; as many as there are processors where it is not set.
    #[arg(long, env = "EDGE_THREADS")]
    threads: Option<NonZero<usize>>,
    #[command(flatten)]
    settings: Settings,
}

pub(crate) fn run(serve: Serve, socket: &Path) -> Result<(), String> {
    let journal = Arc::new(Journal::new(serve.journal));
    let (services, wrong) = journal.recall();
    wrong.iter().for_each(|wrong| warn(wrong));
    let (log, writer) = Stdout::start().map_err(|error| format!("start the log's thread: {error}"))?;
    let shared = Arc::new(Shared::new(services, Routes::new(serve.routes), serve.settings, Box::new(log)));
    let metrics = serve.metrics.map(|address| listen(address).map_err(|error| format!("listen on {address}: {error}")));
    let metrics = metrics.transpose()?;
    shared.pages.reload().iter().for_each(|wrong| warn(wrong));
    let leaving = CancellationToken::new();
    let threads = serve.threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZero::get);
    let mut serving = Vec::new();
    for _ in 0..threads {
        let listener = listen(serve.listen).map_err(|error| format!("listen on {}: {error}", serve.listen))?;
        let (shared, leaving) = (Arc::clone(&shared), leaving.clone());
        serving.push(std::thread::spawn(move || server::serve(shared, listener, leaving)));
    }
    govern(Arc::clone(&shared), journal, socket, metrics, &leaving)?;
    for thread in serving {
        let ended = thread.join().map_err(|_| "a serving thread panicked".to_owned())?;
        ended.map_err(|error| format!("serve: {error}"))?;
    }
    // The last one that has the log, so that its thread writes what is left and ends.
    drop(shared);
    writer.join().map_err(|_| "the log's thread panicked".to_owned())
}

/// Probes, and does what the operator says, until told to leave.
fn govern(
    shared: Arc<Shared>,
    journal: Arc<Journal>,
    socket: &Path,
    metrics: Option<TcpListener>,
    leaving: &CancellationToken,
) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("start the runtime: {error}"))?;
    runtime.block_on(async {
        let failed = |error| format!("take signals: {error}");
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let probing = probe::watch(Arc::clone(&shared));
        tokio::spawn(upkeep::run(Arc::clone(&shared), warn));
        if let Some(listener) = metrics {
            show_metrics(Arc::clone(&shared), listener).map_err(|error| format!("serve the metrics: {error}"))?;
        }
        let ended = tokio::select! {
            () = probing => Ok(()),
            ended = admin::serve(shared, journal, socket) => {
                ended.map_err(|error| format!("listen on {}: {error}", socket.display()))
            }
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
        };
        leaving.cancel();
        ended
    })
}

fn warn(text: &str) {
    // A log that cannot be written to keeps nobody from being served.
    let _ = writeln!(std::io::stderr(), "warning: {text}");
}

/// Lets Prometheus read, until the edge has left.
fn show_metrics(shared: Arc<Shared>, listener: TcpListener) -> std::io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    // Certificates are told of here once there are any.
    let sources = metrics::Sources::new(shared, Arc::new(Vec::new));
    tokio::spawn(metrics::serve(sources, listener));
    Ok(())
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
