//! The database as the application sees it: one call that waits out a database which is restarting or failing over.
//! `lane` shares connections, `link` is one connection, `failure` says which errors pass by themselves.

mod failure;
mod lane;
mod link;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};

use failure::Attempt;
pub use failure::Failure;
pub(crate) use failure::full_text;
use lane::Lane;
pub(crate) use link::Link;

use crate::config::DatabaseConfig;
use crate::metrics::Metrics;

/// The first pause is short because a failover takes a few hundred milliseconds; they double up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// Which connections a call uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Changes nothing; few connections, many statements in flight on each.
    Read,
    /// Changes something; more connections, because commits on several share one flush.
    Write,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// All connections of this process.
#[derive(Debug)]
pub(crate) struct Database {
    config: DatabaseConfig,
    statement_timeout: Duration,
    reading: Lane,
    writing: Lane,
    metrics: Arc<Metrics>,
}

impl Database {
    /// Opens nothing yet: a process starts whether or not the database is there.
    pub(crate) fn new(config: DatabaseConfig, statement_timeout: Duration, metrics: Arc<Metrics>) -> Self {
        let reading = Lane::new(config.clone(), statement_timeout, config.read_connections);
        let writing = Lane::new(config.clone(), statement_timeout, config.write_connections);
        Self { config, statement_timeout, reading, writing, metrics }
    }

    /// Runs the work on a connection, and again on another while the database is away and the deadline allows it. The
    /// work is told the number of its attempt, from 1: an earlier attempt may have been done though nobody heard so.
    pub(crate) async fn run<T, W, F>(&self, purpose: Purpose, deadline: Instant, work: W) -> Result<T, Failure>
    where
        W: Fn(Arc<Link>, u32) -> F,
        F: Future<Output = Result<T, tokio_postgres::Error>>,
    {
        let begun = Instant::now();
        let result = self.attempts(self.lane(purpose), deadline, work).await;
        let outcome = result.as_ref().map_or_else(Failure::name, |_| "done");
        self.metrics.called(purpose.name(), outcome, begun.elapsed());
        result
    }

    /// Brings the counters of connections up to date.
    pub(crate) fn count_connections(&self) {
        for purpose in [Purpose::Read, Purpose::Write] {
            self.metrics.connected(purpose.name(), self.lane(purpose).open_connections());
        }
    }

    async fn attempts<T, W, F>(&self, lane: &Lane, deadline: Instant, work: W) -> Result<T, Failure>
    where
        W: Fn(Arc<Link>, u32) -> F,
        F: Future<Output = Result<T, tokio_postgres::Error>>,
    {
        let mut pause = FIRST_PAUSE;
        let mut attempt = 1;
        loop {
            let reason = match attempted(lane, deadline, attempt, &work).await {
                Ok(result) => return Ok(result),
                Err(Attempt::Final(failure)) => return Err(failure),
                Err(Attempt::Lost(reason)) => reason,
            };
            if Instant::now() + pause >= deadline {
                return Err(Failure::Unavailable(reason));
            }
            tracing::debug!(attempt, reason, "the database is away; trying again");
            self.metrics.database_retries.inc();
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            attempt += 1;
        }
    }

    /// A connection of its own that hears notifications of the channel from when this returns.
    pub(crate) async fn listen(&self, channel: &str) -> Result<(Link, mpsc::UnboundedReceiver<String>), Failure> {
        let opened = async {
            let (link, notifications) = Link::open_listening(&self.config, self.statement_timeout).await?;
            link.command(&format!("LISTEN {channel}")).await?;
            Ok((link, notifications))
        };
        opened.await.map_err(|attempt| match attempt {
            Attempt::Lost(reason) => Failure::Unavailable(reason),
            Attempt::Final(failure) => failure,
        })
    }

    fn lane(&self, purpose: Purpose) -> &Lane {
        match purpose {
            Purpose::Read => &self.reading,
            Purpose::Write => &self.writing,
        }
    }
}

/// A connection for one purpose of its own, without a limit on the time of statements; waited for until the deadline.
pub(crate) async fn connect_within(config: &DatabaseConfig, deadline: Instant) -> Result<Link, Failure> {
    let mut pause = FIRST_PAUSE;
    loop {
        let reason = match Link::open(config, Duration::ZERO).await {
            Ok(link) => return Ok(link),
            Err(Attempt::Final(failure)) => return Err(failure),
            Err(Attempt::Lost(reason)) => reason,
        };
        if Instant::now() + pause >= deadline {
            return Err(Failure::Unavailable(reason));
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One attempt: a connection, and the work on it, both before the deadline.
async fn attempted<T, W, F>(lane: &Lane, deadline: Instant, attempt: u32, work: &W) -> Result<T, Attempt>
where
    W: Fn(Arc<Link>, u32) -> F,
    F: Future<Output = Result<T, tokio_postgres::Error>>,
{
    let Ok(link) = timeout_at(deadline, lane.link()).await else {
        return Err(Attempt::Final(Failure::Unavailable("no connection before the deadline".to_owned())));
    };
    let link = link?;
    match timeout_at(deadline, work(Arc::clone(&link), attempt)).await {
        Ok(Ok(result)) => Ok(result),
        Ok(Err(error)) => {
            let attempt = Attempt::from(error);
            if matches!(attempt, Attempt::Lost(_)) {
                lane.discard(&link);
            }
            Err(attempt)
        }
        Err(_) => {
            // Later requests must not queue behind a statement that does not end.
            lane.discard(&link);
            Err(Attempt::Final(Failure::TooSlow))
        }
    }
}
