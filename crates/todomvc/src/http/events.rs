//! `/events`: a stream of changes (server-sent events). It begins with the list's revision and then tells every change
//! in the order of the commits. A client that may have missed something is told to look at the revision again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, broadcast};
use tokio::time::{Instant, timeout};

use super::call::Call;
use super::problem::Problem;
use crate::app::App;
use crate::realtime::change::Event;
use crate::todos::store;

/// Proxies close what is silent for a minute, and a browser notices a lost connection no other way.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Sent at once, so that the client sees the stream open also while the database is away, and asks again after a second
/// when it breaks.
const GREETING: &[u8] = b"retry: 1000\n\n";

/// GET: the stream, until the client leaves or the process stops.
pub(crate) async fn stream(State(app): State<Arc<App>>, call: Call) -> Result<Response, Problem> {
    let permit = Arc::clone(&app.event_streams).try_acquire_owned();
    let permit = permit.map_err(|_| Problem::unavailable("too many event streams are open"))?;
    app.metrics.event_streams.inc();
    // Subscribed before the revision is read, so that no change falls between the two.
    let events = app.feed.subscribe();
    let subscriber = Subscriber { events, app, base: call.base, next: Next::Greet, _permit: permit };
    let frames = stream::unfold(subscriber, |mut subscriber| async move {
        let frame = subscriber.frame().await?;
        Some((Ok::<_, Infallible>(frame), subscriber))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // Proxies that collect answers must not collect this one.
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, Body::from_stream(frames)).into_response())
}

/// What is sent next.
#[derive(Debug, Clone, Copy)]
enum Next {
    Greet,
    Revision,
    Changes,
}

/// One client of the stream.
struct Subscriber {
    events: broadcast::Receiver<Arc<Event>>,
    app: Arc<App>,
    base: String,
    next: Next,
    _permit: OwnedSemaphorePermit,
}

impl Subscriber {
    /// The next piece of the stream; nothing when it ends.
    async fn frame(&mut self) -> Option<Bytes> {
        let stopping = self.app.stopping.clone();
        stopping.run_until_cancelled(self.next_frame()).await
    }

    async fn next_frame(&mut self) -> Bytes {
        match self.next {
            Next::Greet => {
                self.next = Next::Revision;
                Bytes::from_static(GREETING)
            }
            Next::Revision => self.revision().await,
            Next::Changes => match timeout(HEARTBEAT, self.events.recv()).await {
                Ok(Ok(event)) => event.frame(&self.base).into(),
                // It fell behind. What was missed is in the list.
                Ok(Err(_)) => self.revision().await,
                Err(_) => Bytes::from_static(b": still here\n\n"),
            },
        }
    }

    /// The list's revision, or a sign of life while the database is away.
    async fn revision(&mut self) -> Bytes {
        let deadline = Instant::now() + self.app.request_deadline;
        match store::revision(&self.app.database, deadline).await {
            Ok(revision) => {
                self.next = Next::Changes;
                Event::Reset { revision }.frame(&self.base).into()
            }
            Err(failure) => {
                self.next = Next::Revision;
                tracing::debug!(%failure, "an event stream waits for the database");
                Bytes::from_static(b": waiting for the database\n\n")
            }
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.app.metrics.event_streams.dec();
    }
}
