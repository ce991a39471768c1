//! Accepts connections and answers them until told to stop; then lets what is in flight end. The listener and the
//! signal to stop come from outside, so that tests choose both.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::config::Config;
use crate::http;
use crate::realtime::listener;

/// A connection holds at most one request, whose body is at most 64 KiB, so this also bounds the memory (about 100 MiB
/// if all of them are at their worst). More wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 1000;

/// Time for the next request's head, idle time included: hyper has one clock for both. Longer than the minute for which
/// proxies keep idle connections, so that the proxy closes first and never sends into a closing connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// The head of a request, and what is read at once of its body.
const BUFFER_BYTES: usize = 64 * 1024;

/// A client that acknowledges nothing for so long has gone without a word; an event stream would not notice otherwise.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// When the process has no descriptor left for a connection, others have to end first.
const PAUSE_AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(50);

/// Serves until `stop` completes, then for the delay as one who is leaving, and after that for as long as requests are
/// in flight, at most the grace.
pub async fn serve(listener: TcpListener, config: &Config, stop: impl Future<Output = ()>) {
    let stopping = CancellationToken::new();
    let app = App::new(config, stopping.clone());
    let listening = listener::listen(Arc::clone(&app.database), app.feed.clone(), stopping.clone());
    tokio::spawn(listening);
    let connections = GracefulShutdown::new();
    {
        let mut accepting = pin!(accept(&listener, &app, &connections));
        tokio::select! {
            () = stop => {}
            () = &mut accepting => {}
        }
        tracing::info!("stopping");
        stopping.cancel();
        // It never ends by itself, so what ends it is the delay.
        let _ = timeout(config.http.shutdown_delay, accepting).await;
    }
    drop(listener);
    let finished = timeout(config.http.shutdown_grace, async {
        connections.shutdown().await;
        app.writes_done().await;
    });
    match finished.await {
        Ok(()) => tracing::info!("stopped"),
        Err(_) => tracing::warn!("stopped, with requests cut off at the end of the grace"),
    }
}

/// Accepts without end.
async fn accept(listener: &TcpListener, app: &Arc<App>, connections: &GracefulShutdown) {
    let router = http::router(Arc::clone(app));
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(BUFFER_BYTES);
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                sleep(PAUSE_AFTER_ACCEPT_ERROR).await;
                continue;
            }
        };
        if let Err(error) = prepare(&stream) {
            tracing::debug!(%error, "a connection ended before it began");
            continue;
        }
        let service = TowerToHyperService::new(router.clone());
        let connection = connections.watch(builder.serve_connection(TokioIo::new(stream), service));
        tokio::spawn(answer(connection, place));
    }
}

/// Small answers leave at once, and silent clients are noticed.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_keepalive(true)?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))?;
    Ok(())
}

/// Answers one connection's requests; it holds its place until it ends.
async fn answer(connection: impl Future<Output = hyper::Result<()>>, place: OwnedSemaphorePermit) {
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection ended early");
    }
    drop(place);
}
