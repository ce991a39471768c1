//! An edge takes the listening sockets from the one that runs, so that no connection is dropped when it is replaced.
//!
//! Over a unix socket the new edge (the taker) asks the old one (the giver) for duplicates of its listening sockets,
//! serves from them, and says so. Only then the giver stands down. It keeps its duplicates: a connection that waits in a
//! queue is in the queue of both. While the giver is not stopped, the connection between the two stays open; should the
//! taker go away, the giver takes its work up again, unless a third edge has taken it over meanwhile. `message` is what they say, `give` and `take` are the two sides.

mod give;
mod message;
mod take;

use std::net::TcpListener;
use std::time::Duration;

pub use give::{Given, give};
pub use take::{Taken, take};

/// A peer that says nothing for so long hangs, and is done without.
const SILENCE: Duration = Duration::from_secs(5);

/// A listening socket, and what it is for.
#[derive(Debug)]
pub struct Listening {
    /// Such as `http`.
    pub name: String,
    /// The socket.
    pub socket: TcpListener,
}
