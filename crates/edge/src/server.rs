//! Accepts connections, on as many cores as there are: one single-threaded runtime each, and a listener of its own on
//! the same port, among which the kernel shares the connections out (`SO_REUSEPORT`).

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;
use tokio::time::{interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::client::Seat;
use crate::count::{Count, One};
use crate::duty::Shift;
use crate::forward::{Core, Visitor, answer};
pub use crate::forward::{Log, Shared};
use crate::http2;
use crate::limit::Limit;
use crate::tls::{self, Tls};

/// When the process has no descriptor left for a connection, others have to end first.
const PAUSE_AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(50);

/// Between two looks at connections that nobody uses.
const SWEEP: Duration = Duration::from_secs(1);

/// The longest that a line of the access log waits for others.
const FLUSH: Duration = Duration::from_millis(100);

/// After the end of a shift, a connection may yet bring a request that is on its way already. It is answered, with the
/// word that it was the last; to close an idle connection at once would be a failure that the client did not make.
const LAST_REQUEST: Duration = Duration::from_secs(1);

/// When a shift has ended, for a handshake that has begun.
const LAST_HANDSHAKE: Duration = Duration::from_secs(1);

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
        let core = Rc::new(Core::new(shared));
        tokio::task::spawn_local(sweep(Rc::clone(&core)));
        tokio::task::spawn_local(flush(Rc::clone(&core)));
        accept(Rc::clone(&core), doors, leaving).await;
        core.flush();
        Ok(())
    })
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
    async fn next(&self) -> io::Result<(TcpStream, Visitor)> {
        let visitor = |secure| move |(stream, address)| (stream, Visitor { address, secure, trusted: false });
        let Some(tls) = &self.tls else { return self.plain.accept().await.map(visitor(false)) };
        tokio::select! {
            accepted = self.plain.accept() => accepted.map(visitor(false)),
            accepted = tls.accept() => accepted.map(visitor(true)),
        }
    }
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

async fn accept(core: Rc<Core>, doors: Doors, leaving: CancellationToken) {
    let open = Rc::new(Count::default());
    let settings = &core.shared.settings;
    let mut shifts = core.shared.duty.shifts();
    loop {
        let shift = shifts.borrow_and_update().clone();
        let Some(shift) = shift else {
            tokio::select! {
                () = leaving.cancelled() => break,
                // The duty is ours, so the sender is there.
                _ = shifts.changed() => continue,
            }
        };
        core.shift.replace(shift.clone());
        if open.now() >= settings.connections {
            core.shared.hits.hit(Limit::Connections);
        }
        let next = async {
            open.below(settings.connections).await;
            doors.next().await
        };
        let accepted = tokio::select! {
            () = leaving.cancelled() => break,
            () = shift.cancelled() => continue,
            accepted = next => accepted,
        };
        match accepted {
            Ok((stream, visitor)) => {
                let address = visitor.address.ip();
                let Some(seat) = core.shared.clients.admit(address, &core.shared.hits) else { continue };
                let place = Rc::new(Place { _one: open.one(), _open: Open::new(&core.shared), _seat: seat });
                tokio::task::spawn_local(connection(Rc::clone(&core), stream, visitor, shift, place));
            }
            Err(_) => sleep(PAUSE_AFTER_ACCEPT_ERROR).await,
        }
    }
    drop(doors);
    core.shared.duty.stand_down();
    let ended = async {
        open.below(1).await;
        core.exchanges.below(1).await;
    };
    // What has not ended by then is cut off, and counted as broken off by who counts it.
    let _ = timeout(settings.grace, ended).await;
}

/// A connection's place among those of its core, of its client and of all, also when it has become a WebSocket.
#[derive(Debug)]
pub(crate) struct Place {
    _one: One,
    _seat: Seat,
    _open: Open,
}

/// A connection that is counted on all cores together, for those who look on.
#[derive(Debug)]
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.connections.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One client's connection, until it ends, or the shift does and its requests have ended.
async fn connection(core: Rc<Core>, stream: TcpStream, visitor: Visitor, shift: Shift, place: Rc<Place>) {
    let _ = stream.set_nodelay(true);
    match core.shared.tls.clone() {
        Some(tls) if visitor.secure => secure(core, &tls, stream, visitor, shift, place).await,
        _ => http1(core, TokioIo::new(stream), visitor, shift, place).await,
    }
}

/// Agrees on TLS and on the protocol above it.
async fn secure(core: Rc<Core>, tls: &Tls, stream: TcpStream, mut visitor: Visitor, shift: Shift, place: Rc<Place>) {
    let handshake = TlsAcceptor::from(Arc::clone(tls.config())).accept(stream);
    let stream = tokio::select! {
        stream = timeout(tls.settings().handshake_time, handshake) => stream,
        () = async { shift.cancelled().await; sleep(LAST_HANDSHAKE).await } => return,
    };
    let Ok(Ok(stream)) = stream else { return };
    let session = stream.get_ref().1;
    visitor.trusted = session.server_name().is_some_and(|name| tls.is_issued(name));
    let protocol = session.alpn_protocol().map(<[u8]>::to_vec);
    let io = TokioIo::new(stream);
    match protocol.as_deref() {
        Some(b"h2") => http2::serve(core, tls.settings().http2, io, visitor, shift, place).await,
        // An ACME server has seen what it wanted to.
        Some(challenge) if challenge == tls::CHALLENGE => {}
        _ => http1(core, io, visitor, shift, place).await,
    }
}

async fn http1(
    core: Rc<Core>,
    io: impl Read + Write + Unpin + Send + 'static,
    visitor: Visitor,
    shift: Shift,
    place: Rc<Place>,
) {
    let settings = &core.shared.settings;
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(settings.head_time).max_buf_size(settings.head_bytes);
    let service = service_fn(|request| {
        let (core, place, shift) = (Rc::clone(&core), Rc::clone(&place), shift.clone());
        async move { Ok::<_, std::convert::Infallible>(answer(core, visitor, place, shift, request).await) }
    });
    let mut serving = std::pin::pin!(builder.serve_connection(io, service).with_upgrades());
    tokio::select! {
        // A client that breaks off, or does not speak HTTP, is no fault of ours; its request is in the access log.
        _ = serving.as_mut() => return,
        () = farewell(shift.clone()) => serving.as_mut().graceful_shutdown(),
    }
    let _ = serving.await;
}

/// Completes when a connection is to be told that the shift has ended.
pub(crate) async fn farewell(shift: Shift) {
    shift.cancelled().await;
    sleep(LAST_REQUEST).await;
}
