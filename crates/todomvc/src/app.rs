//! The application's parts, made once and shared by every request.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::config::Config;
use crate::database::Database;
use crate::http::assets::Assets;
use crate::metrics::Metrics;
use crate::realtime::listener::{self, Feed};

/// Event streams of one process. Each costs a connection and a few kilobytes; what is left of the bound on connections
/// (`server::MOST_CONNECTIONS`) stays free for requests.
const MOST_EVENT_STREAMS: usize = 500;

/// What a request may use.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) database: Arc<Database>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) assets: Assets,
    pub(crate) feed: Feed,
    pub(crate) event_streams: Arc<Semaphore>,
    pub(crate) public_url: Option<String>,
    pub(crate) request_deadline: Duration,
    /// Cancelled by the first SIGTERM.
    pub(crate) stopping: CancellationToken,
    /// Writes that go on though their client may have left.
    writes: TaskTracker,
}

impl App {
    pub(crate) fn new(config: &Config, stopping: CancellationToken) -> Arc<Self> {
        let metrics = Arc::new(Metrics::new());
        let deadline = config.http.request_deadline;
        Arc::new(Self {
            database: Arc::new(Database::new(config.database.clone(), deadline, Arc::clone(&metrics))),
            metrics,
            assets: Assets::embedded(),
            feed: listener::feed(),
            event_streams: Arc::new(Semaphore::new(MOST_EVENT_STREAMS)),
            public_url: config.http.public_url.clone(),
            request_deadline: deadline,
            stopping,
            writes: TaskTracker::new(),
        })
    }

    /// Runs a write to its end, also when the client leaves and nobody waits for the result any more: half of what a
    /// write does must not depend on a closed browser.
    pub(crate) async fn sheltered<T: Send + 'static>(&self, write: impl Future<Output = T> + Send + 'static) -> T {
        match self.writes.spawn(write.in_current_span()).await {
            Ok(result) => result,
            // Nobody cancels these tasks, so it panicked; the request's own guard turns that into an answer.
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }

    /// Waits for the writes whose clients have left.
    pub(crate) async fn writes_done(&self) {
        self.writes.close();
        self.writes.wait().await;
    }
}
