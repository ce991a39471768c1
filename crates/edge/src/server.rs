//! Accepts connections, on as many cores as there are: one single-threaded runtime each, and a listener of its own on
//! the same port, among which the kernel shares the connections out (`SO_REUSEPORT`).

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;
use tokio::time::{Instant, interval, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::count::{Count, One};
use crate::forward::{Client, Core, answer};
pub use crate::forward::{Log, Shared};
use crate::http2;
use crate::tls::{self, Tls};

/// When the process has no descriptor left for a connection, others have to end first.
const PAUSE_AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(50);

/// Between two looks at connections that nobody uses.
const SWEEP: Duration = Duration::from_secs(1);

/// The longest that a line of the access log waits for others.
const FLUSH: Duration = Duration::from_millis(100);

/// Where the clients of one core come in.
#[derive(Debug)]
pub struct Listeners {
    /// Without TLS.
    pub plain: std::net::TcpListener,
    /// With it.
    pub tls: Option<std::net::TcpListener>,
}

impl From<std::net::TcpListener> for Listeners {
    fn from(plain: std::net::TcpListener) -> Self {
        Self { plain, tls: None }
    }
}

/// When the edge leaves, a connection that is younger than this may yet bring its first request, which is then on its
/// way: to close it would be a failure that the client does not make again.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// When the edge leaves, for a handshake that has begun.
const LAST_HANDSHAKE: Duration = Duration::from_secs(1);

/// Serves what comes in there, on the thread that calls, until told to leave and all requests have ended, at most for the
/// grace.
///
/// # Errors
///
/// The runtime cannot be made.
pub fn serve(shared: Arc<Shared>, listeners: impl Into<Listeners>, leaving: CancellationToken) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let Listeners { plain, tls } = listeners.into();
    LocalSet::new().block_on(&runtime, async {
        let doors = Doors { plain: listener(plain)?, tls: tls.map(listener).transpose()? };
        let core = Rc::new(Core::new(shared, leaving.clone()));
        tokio::task::spawn_local(sweep(Rc::clone(&core)));
        tokio::task::spawn_local(flush(Rc::clone(&core)));
        accept(Rc::clone(&core), doors, leaving).await;
        core.flush();
        Ok(())
    })
}

async fn sweep(core: Rc<Core>) {
    let mut turns = interval(SWEEP);
    loop {
        turns.tick().await;
        core.pool.sweep(core.shared.settings.idle_time);
    }
}

async fn flush(core: Rc<Core>) {
    let mut turns = interval(FLUSH);
    loop {
        turns.tick().await;
        core.flush();
    }
}

fn listener(listener: std::net::TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

struct Doors {
    plain: TcpListener,
    tls: Option<TcpListener>,
}

impl Doors {
    /// The next client, by whichever door it comes.
    async fn next(&self) -> io::Result<(TcpStream, Client)> {
        let client = |secure| move |(stream, address)| (stream, Client { address, secure, trusted: false });
        let Some(tls) = &self.tls else { return self.plain.accept().await.map(client(false)) };
        tokio::select! {
            accepted = self.plain.accept() => accepted.map(client(false)),
            accepted = tls.accept() => accepted.map(client(true)),
        }
    }
}

async fn accept(core: Rc<Core>, doors: Doors, leaving: CancellationToken) {
    let open = Rc::new(Count::default());
    let settings = &core.shared.settings;
    loop {
        let next = async {
            open.below(settings.connections).await;
            doors.next().await
        };
        let accepted = tokio::select! {
            () = leaving.cancelled() => break,
            accepted = next => accepted,
        };
        match accepted {
            Ok((stream, client)) => {
                let one = open.one();
                tokio::task::spawn_local(connection(Rc::clone(&core), stream, client, leaving.clone(), one));
            }
            Err(_) => sleep(PAUSE_AFTER_ACCEPT_ERROR).await,
        }
    }
    drop(doors);
    let ended = async {
        open.below(1).await;
        core.exchanges.below(1).await;
    };
    // What has not ended by then is cut off, and counted as broken off by who counts it.
    let _ = timeout(settings.grace, ended).await;
}

/// One client's connection, until it ends, or the edge leaves and its requests have ended.
async fn connection(core: Rc<Core>, stream: TcpStream, client: Client, leaving: CancellationToken, _one: One) {
    let _ = stream.set_nodelay(true);
    match core.shared.tls.clone() {
        Some(tls) if client.secure => secure(core, &tls, stream, client, leaving).await,
        _ => http1(core, TokioIo::new(stream), client, farewell(leaving)).await,
    }
}

/// Agrees on TLS and on the protocol above it.
async fn secure(core: Rc<Core>, tls: &Tls, stream: TcpStream, mut client: Client, leaving: CancellationToken) {
    let handshake = TlsAcceptor::from(Arc::clone(tls.config())).accept(stream);
    let stream = tokio::select! {
        stream = timeout(tls.settings().handshake_time, handshake) => stream,
        () = async { leaving.cancelled().await; sleep(LAST_HANDSHAKE).await } => return,
    };
    let Ok(Ok(stream)) = stream else { return };
    let session = stream.get_ref().1;
    client.trusted = session.server_name().is_some_and(|name| tls.is_issued(name));
    let protocol = session.alpn_protocol().map(<[u8]>::to_vec);
    let io = TokioIo::new(stream);
    match protocol.as_deref() {
        Some(b"h2") => http2::serve(core, tls.settings().http2, io, client, farewell(leaving)).await,
        // An ACME server has seen what it wanted to.
        Some(challenge) if challenge == tls::CHALLENGE => {}
        _ => http1(core, io, client, farewell(leaving)).await,
    }
}

/// Completes when a connection that begins now is to be told that the edge leaves.
async fn farewell(leaving: CancellationToken) {
    let young = Instant::now() + FIRST_REQUEST;
    leaving.cancelled().await;
    sleep_until(young).await;
}

async fn http1(
    core: Rc<Core>,
    io: impl Read + Write + Unpin + Send + 'static,
    client: Client,
    farewell: impl Future<Output = ()>,
) {
    let settings = &core.shared.settings;
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(settings.head_time).max_buf_size(settings.head_bytes);
    let service = service_fn(|request| {
        let core = Rc::clone(&core);
        async move { Ok::<_, std::convert::Infallible>(answer(core, client, request).await) }
    });
    let mut serving = std::pin::pin!(builder.serve_connection(io, service).with_upgrades());
    tokio::select! {
        // A client that breaks off, or does not speak HTTP, is no fault of ours; its request is in the access log.
        _ = serving.as_mut() => return,
        () = farewell => serving.as_mut().graceful_shutdown(),
    }
    let _ = serving.await;
}
