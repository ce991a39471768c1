//! One client's connection that speaks HTTP/2.

use std::cell::Cell;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use hyper::rt::{Executor, Read, Write};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use tokio::time::{sleep, timeout};

use crate::count::{Count, One};
use crate::duty::Shift;
use crate::forward::{Answer, Broken, Core, Visitor, answer};
use crate::server::{Place, farewell};
use crate::tls::Http2;

/// What a stream may have waiting for a client that reads slowly. A hundred streams of that is what one connection can
/// make us hold.
const SEND_BYTES: usize = 64 * 1024;

/// Tasks stay on the core whose connection they are of.
#[derive(Debug, Clone, Copy)]
struct SameCore;

impl<F> Executor<F> for SameCore
where
    F: Future<Output = ()> + 'static,
{
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

/// The requests of one connection.
#[derive(Debug, Default)]
struct Requests {
    open: Rc<Count>,
    begun: Cell<u64>,
}

/// Serves until the client leaves, is silent for too long, or the edge leaves and what was asked is answered.
pub(crate) async fn serve(
    core: Rc<Core>,
    limits: Http2,
    io: impl Read + Write + Unpin + 'static,
    visitor: Visitor,
    shift: Shift,
    place: Rc<Place>,
) {
    let settings = &core.shared.settings;
    let requests = Requests::default();
    let service = service_fn(|request| {
        let (core, place, shift) = (Rc::clone(&core), Rc::clone(&place), shift.clone());
        let one = requests.open.one();
        requests.begun.set(requests.begun.get() + 1);
        async move {
            let response = answer(core, visitor, place, shift, request).await;
            Ok::<_, Infallible>(response.map(|body| Counted { body, _one: one }))
        }
    });
    let mut builder = http2::Builder::new(SameCore);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_pending_accept_reset_streams(limits.resets)
        .max_header_list_size(u32::try_from(settings.head_bytes).unwrap_or(u32::MAX))
        .max_send_buf_size(SEND_BYTES)
        .keep_alive_interval(limits.ping)
        .keep_alive_timeout(limits.ping_time);
    let mut serving = std::pin::pin!(builder.serve_connection(io, service));
    tokio::select! {
        // A client that breaks off, or breaks the rules, is no fault of ours; its requests are in the access log.
        _ = serving.as_mut() => return,
        () = farewell(shift.clone()) => {}
        () = idle(&requests, settings.head_time) => {}
    }
    // The client is told that no new request is taken, and what it has asked by then is answered.
    serving.as_mut().graceful_shutdown();
    loop {
        match timeout(limits.ping_time, serving.as_mut()).await {
            Ok(_) => return,
            // It was told, has nothing to wait for, and does not go.
            Err(_) if requests.open.is_none() => return,
            Err(_) => {}
        }
    }
}

/// Completes when the connection had no request for this long, or up to twice as long.
async fn idle(requests: &Requests, time: Duration) {
    loop {
        requests.open.below(1).await;
        let begun = requests.begun.get();
        sleep(time).await;
        if requests.open.is_none() && requests.begun.get() == begun {
            return;
        }
    }
}

/// An answer that counts as a request of its connection until its last byte.
struct Counted {
    body: Answer,
    _one: One,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        Pin::new(&mut self.get_mut().body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
