//! `edge serve`.

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use clap::Args;
use mainstay_edge::balance::Balancer;
use mainstay_edge::journal::Journal;
use mainstay_edge::ledger::Ledger;
use mainstay_edge::route::{Route, Routes};
use mainstay_edge::server::{self, Listeners, Shared};
use mainstay_edge::settings::Settings;
use mainstay_edge::tls::{self, Tls, TlsSettings};
use mainstay_edge::{admin, probe};
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
    #[command(flatten)]
    tls: TlsSettings,
}

pub(crate) fn run(serve: Serve, socket: &Path) -> Result<(), String> {
    let journal = Arc::new(Journal::new(serve.journal));
    let (services, wrong) = journal.recall();
    wrong.iter().for_each(|wrong| warn(wrong));
    let tls = tls(serve.tls)?;
    let listen_tls = tls.as_ref().and_then(|tls| tls.settings().listen_tls);
    let (log, writer) = Stdout::start().map_err(|error| format!("start the log's thread: {error}"))?;
    let shared = Arc::new(Shared {
        balancer: Balancer::new(services, serve.settings.hysteresis),
        routes: Routes::new(serve.routes),
        ledger: Ledger::default(),
        log: Box::new(log),
        settings: serve.settings,
        held: AtomicUsize::new(0),
        tls,
    });
    let leaving = CancellationToken::new();
    let threads = serve.threads.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZero::get);
    let mut serving = Vec::new();
    for _ in 0..threads {
        let listeners = Listeners { plain: listen(serve.listen)?, tls: listen_tls.map(listen).transpose()? };
        let (shared, leaving) = (Arc::clone(&shared), leaving.clone());
        serving.push(std::thread::spawn(move || server::serve(shared, listeners, leaving)));
    }
    govern(Arc::clone(&shared), journal, socket, &leaving)?;
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
    leaving: &CancellationToken,
) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("start the runtime: {error}"))?;
    runtime.block_on(async {
        let failed = |error| format!("take signals: {error}");
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let probing = probe::watch(Arc::clone(&shared));
        if let Some(tls) = &shared.tls {
            tokio::spawn(tls::keep(Arc::clone(tls), warn));
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

fn warn(wrong: &str) {
    // A log that cannot be written to keeps nobody from being served.
    let _ = writeln!(std::io::stderr(), "warning: {wrong}");
}

/// A listener beside others on the same port; the kernel shares the connections out among them.
fn listen(address: SocketAddr) -> Result<TcpListener, String> {
    bind(address).map_err(|error| format!("listen on {address}: {error}"))
}

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}
