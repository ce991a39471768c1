//! A target, and the requests that it has.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// One replica of a service. Its identity is the object: a container of the same name that comes later is another one.
#[derive(Debug)]
pub struct Target {
    /// The container's name, by which it is also found on the network.
    pub name: String,
    /// Where it listens.
    pub port: u16,
    /// The release that it is of.
    pub release: String,
    in_flight: AtomicUsize,
    emptied: Notify,
    leaving: CancellationToken,
}

impl Target {
    /// A target without requests.
    #[must_use]
    pub fn new(name: &str, port: u16, release: &str) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            port,
            release: release.to_owned(),
            in_flight: AtomicUsize::new(0),
            emptied: Notify::new(),
            leaving: CancellationToken::new(),
        })
    }

    /// Whether another object stands for the same place and release.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.name, self.port, &self.release) == (&other.name, other.port, &other.release)
    }

    /// Requests that were given to it and have not ended.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Acquire)
    }

    /// Cancelled once it drains: what would last for ever has to come to its end.
    #[must_use]
    pub fn leaving(&self) -> &CancellationToken {
        &self.leaving
    }

    /// Returns once it has no request. Means something only while it gets no new ones.
    pub async fn empty(&self) {
        loop {
            // Asked for before the count is read, so that the last request cannot end between the two.
            let emptied = self.emptied.notified();
            if self.in_flight() == 0 {
                return;
            }
            emptied.await;
        }
    }
}

/// A request's place at a target, given back when dropped.
#[derive(Debug)]
pub struct Claim {
    target: Arc<Target>,
}

impl Claim {
    pub(super) fn new(target: Arc<Target>) -> Self {
        target.in_flight.fetch_add(1, Ordering::AcqRel);
        Self { target }
    }

    /// Where the request goes.
    #[must_use]
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.target.in_flight.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.target.emptied.notify_waiters();
        }
    }
}
