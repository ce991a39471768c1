//! The thread of the traffic: sends what is due, and waits for all of it at the end.

use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet, LocalSet};
use tokio::time::sleep_until;

use super::book::Book;
use super::connection::Pool;
use super::options::Options;
use super::{events, request, socket};

/// What everything that is sent shares.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) address: SocketAddr,
    pub(super) options: Options,
    pub(super) book: Arc<Book>,
    pub(super) pool: Pool,
}

impl Client {
    /// What requests are addressed to.
    pub(super) fn host(&self) -> String {
        self.address.to_string()
    }
}

/// Runs until told to stop and everything has ended, or until nobody is left to tell.
pub(super) fn run(address: SocketAddr, options: Options, book: Arc<Book>, stop: watch::Receiver<bool>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let client = Rc::new(Client { address, options, book, pool: Pool::default() });
    LocalSet::new().block_on(&runtime, send(client, stop));
}

/// Waits until the traffic is to stop, or its owner is gone.
pub(super) async fn stopping(stop: &mut watch::Receiver<bool>) {
    // An error says that the owner is gone.
    drop(stop.wait_for(|stop| *stop).await);
}

async fn send(client: Rc<Client>, mut stop: watch::Receiver<bool>) {
    let mut tasks = JoinSet::new();
    if let Some(path) = client.options.events_path.clone() {
        tasks.spawn_local(events::run(Rc::clone(&client), path, stop.clone()));
    }
    if let Some(path) = client.options.ws_path.clone() {
        tasks.spawn_local(socket::run(Rc::clone(&client), path, stop.clone()));
    }
    for number in 0_u32.. {
        let due = due(client.book.start(), number, client.options.rate_per_second);
        tokio::select! {
            biased;
            () = stopping(&mut stop) => break,
            () = sleep_until(due.into()) => {}
        }
        // So that a panic is seen at once, and memory does not grow.
        while let Some(ended) = tasks.try_join_next() {
            pass_on(ended);
        }
        let kind = request::kind(number, client.options.post.is_some());
        tasks.spawn_local(request::make(Rc::clone(&client), kind, due));
    }
    client.book.sending_ended();
    while stop.has_changed().is_ok() {
        let Some(ended) = tasks.join_next().await else { return };
        pass_on(ended);
    }
}

/// Due at a constant rate, whatever became of the others: a generator that waits for answers does not see an outage.
fn due(start: Instant, number: u32, rate_per_second: u32) -> Instant {
    let nanos = u64::from(number) * 1_000_000_000 / u64::from(rate_per_second);
    start + Duration::from_nanos(nanos)
}

/// A panic in a task is one of the thread: a defect of the generator must not look like no failures.
fn pass_on(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        resume_unwind(panic);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_at_a_constant_rate() {
        let start = Instant::now();
        assert_eq!(due(start, 0, 300), start);
        assert_eq!(due(start, 300, 300), start + Duration::from_secs(1));
        assert_eq!(due(start, u32::MAX, 1), start + Duration::from_secs(u64::from(u32::MAX)));
    }
}
