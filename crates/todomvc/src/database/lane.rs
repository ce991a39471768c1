//! A few shared connections of one purpose. Each is opened when it is first needed and again after it was lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

use super::failure::Attempt;
use super::link::Link;
use crate::config::DatabaseConfig;

/// The connections for reading, or those for writing.
#[derive(Debug)]
pub(super) struct Lane {
    config: DatabaseConfig,
    statement_timeout: Duration,
    places: Vec<Mutex<Option<Arc<Link>>>>,
    next: AtomicUsize,
}

impl Lane {
    pub(super) fn new(config: DatabaseConfig, statement_timeout: Duration, connections: usize) -> Self {
        let places = (0..connections).map(|_| Mutex::new(None)).collect();
        Self { config, statement_timeout, places, next: AtomicUsize::new(0) }
    }

    /// The next connection in turn. Whoever finds it lost opens it again while the others of this place wait, so that a
    /// database that comes back is not met by every waiting request at once.
    pub(super) async fn link(&self) -> Result<Arc<Link>, Attempt> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.places.len();
        let mut place = self.places[turn].lock().await;
        if let Some(link) = place.as_ref().filter(|link| !link.is_closed()) {
            return Ok(Arc::clone(link));
        }
        *place = None;
        let link = Arc::new(Link::open(&self.config, self.statement_timeout).await?);
        *place = Some(Arc::clone(&link));
        Ok(link)
    }

    /// How many connections are open now. A place that is taken is being opened, so it has none.
    pub(super) fn open_connections(&self) -> usize {
        let is_open = |link: &Arc<Link>| !link.is_closed();
        self.places
            .iter()
            .filter(|place| place.try_lock().is_ok_and(|place| place.as_ref().is_some_and(is_open)))
            .count()
    }

    /// Gives up a connection that failed though it is not closed: a server that is no primary any more, or one that
    /// does not answer.
    pub(super) fn discard(&self, failed: &Arc<Link>) {
        // A place that is taken is being opened anew and has nothing to discard.
        for mut place in self.places.iter().filter_map(|place| place.try_lock().ok()) {
            if place.as_ref().is_some_and(|link| Arc::ptr_eq(link, failed)) {
                *place = None;
            }
        }
    }
}
