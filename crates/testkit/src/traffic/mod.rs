//! Traffic: requests at a constant rate, one event stream and one WebSocket, sent through a load balancer while
//! releases change behind it, and a report of everything that a client would have noticed.
//!
//! It runs in a thread of its own, so that the test can run commands meanwhile. `generate` sends what is due, `request`
//! makes one request, over what `connection` opens and keeps; `events` and `socket` are what lasts. All of them write
//! into `book`, from which `report` is made. `ledger` compares a report with what the server says that it has done.

mod book;
mod connection;
mod events;
mod generate;
mod ledger;
mod options;
mod report;
mod request;
mod socket;

pub use ledger::{missing, twice};
pub use options::{Options, Post};
pub use report::{Failure, Kind, Report, Slowest};

use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::watch;

use book::Book;

/// Traffic that flows until it is stopped, or dropped: then what is in flight is given up and nothing is reported.
#[derive(Debug)]
pub struct Traffic {
    book: Arc<Book>,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

impl Traffic {
    /// Begins to send to `address`.
    ///
    /// # Panics
    ///
    /// Where `options` ask for no requests at all, or no thread can be made.
    #[must_use]
    pub fn start(address: SocketAddr, options: Options) -> Self {
        assert!(options.rate_per_second > 0, "traffic at no requests a second shows nothing");
        let book = Arc::new(Book::new());
        let (stop, stopped) = watch::channel(false);
        let generate = {
            let book = Arc::clone(&book);
            move || generate::run(address, options, book, stopped)
        };
        let thread = thread::Builder::new().name("traffic".to_owned()).spawn(generate).expect("a thread can be made");
        Self { book, stop, thread }
    }

    /// What has ended since the start or the last mark. A request that is in flight counts in the report in which it
    /// ends.
    ///
    /// # Panics
    ///
    /// Where the thread has ended by itself: no traffic must not look like no failures.
    #[must_use]
    pub fn mark(&self) -> Report {
        assert!(!self.thread.is_finished(), "the traffic has ended by itself");
        self.book.mark()
    }

    /// Sends no more, waits for what is in flight, and tells what has ended since the start or the last mark.
    ///
    /// # Panics
    ///
    /// Where the thread panicked.
    #[must_use]
    pub fn stop(self) -> Report {
        self.stop.send_replace(true);
        if let Err(panic) = self.thread.join() {
            resume_unwind(panic);
        }
        self.book.mark()
    }
}
