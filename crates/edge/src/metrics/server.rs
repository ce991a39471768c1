//! Answers Prometheus on a listener of its own, which strangers do not reach. It is bounded all the same: a reader that
//! hangs must not keep the next one out.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::Sources;

/// Readers at the same time: two Prometheus servers and a person with curl.
const MOST_READERS: usize = 4;

/// For one request and its answer, whoever reads it. A reader that keeps its place longer loses it.
const TIME: Duration = Duration::from_secs(10);

/// A reader sends a few hundred bytes; less than this hyper does not allow.
const HEAD_BYTES: usize = 8 * 1024;

/// When the process has no descriptor left for a connection, others have to end first.
const PAUSE_AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(50);

/// Answers one request a connection. Ends never.
pub async fn serve(sources: Sources, listener: TcpListener) {
    let places = Arc::new(Semaphore::new(MOST_READERS));
    let mut shifts = sources.shared.duty.shifts();
    loop {
        // Another edge may have the same listener, and it is on duty then: readings of two must not mix.
        let Ok(Some(shift)) = shifts.wait_for(Option::is_some).await.map(|shift| shift.clone()) else { return };
        // Nobody closes it.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = shift.cancelled() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                let sources = sources.clone();
                tokio::spawn(async move {
                    let _ = timeout(TIME, connection(sources, stream)).await;
                    drop(place);
                });
            }
            Err(_) => sleep(PAUSE_AFTER_ACCEPT_ERROR).await,
        }
    }
}

async fn connection(sources: Sources, stream: TcpStream) {
    let service = service_fn(|request| {
        let response = answer(&sources, &request);
        async { Ok::<_, Infallible>(response) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(TIME).max_buf_size(HEAD_BYTES).keep_alive(false);
    // Who breaks off reads again at the next turn.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

fn answer(sources: &Sources, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let is_read = [Method::GET, Method::HEAD].contains(request.method());
    let (status, text) = match request.uri().path() {
        "/metrics" if is_read => (StatusCode::OK, sources.text()),
        "/metrics" => (StatusCode::METHOD_NOT_ALLOWED, "The metrics are only read.\n".to_owned()),
        _ => (StatusCode::NOT_FOUND, "The metrics are at /metrics.\n".to_owned()),
    };
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    let form = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, form);
    response
}
