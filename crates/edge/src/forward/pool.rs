//! Connections to targets, kept for the next request. Each core has its own, so that there is no lock on the way.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::body::Sent;
use crate::balance::Target;

/// How long a name's address is believed. A container that was started again may have another one.
const ADDRESS_TIME: Duration = Duration::from_secs(2);

/// Connections that are kept for a target: more were needed only in a burst.
const MOST_IDLE: usize = 128;

/// The near end of a connection.
pub(crate) type Sender = http1::SendRequest<Sent>;

/// A connection that is ready for a request.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) sender: Sender,
    /// Whether it has carried a request before, and so may be closing.
    pub(crate) reused: bool,
}

/// Of one core.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    places: RefCell<HashMap<usize, Place>>,
}

#[derive(Debug)]
struct Place {
    /// Held, so that no other target gets its place in memory and with it its connections.
    target: Arc<Target>,
    address: Option<(SocketAddr, Instant)>,
    idle: Vec<(Sender, Instant)>,
}

impl Place {
    fn new(target: &Arc<Target>) -> Self {
        Self { target: Arc::clone(target), address: None, idle: Vec::new() }
    }
}

/// Targets are told apart by identity, not by name.
fn key(target: &Arc<Target>) -> usize {
    Arc::as_ptr(target).addr()
}

impl Pool {
    /// A connection that was used before, the last one first: it is the most likely to be there still.
    pub(crate) async fn take(&self, target: &Arc<Target>, idle_time: Duration) -> Option<Connection> {
        loop {
            let (mut sender, since) = self.places.borrow_mut().get_mut(&key(target))?.idle.pop()?;
            // Given back a moment ago, it may not have noticed yet that its answer was read; that takes no time.
            if since.elapsed() < idle_time && (sender.is_ready() || sender.ready().await.is_ok()) {
                return Some(Connection { sender, reused: true });
            }
        }
    }

    /// Keeps a connection for the next request.
    pub(crate) fn give_back(&self, target: &Arc<Target>, sender: Sender) {
        let mut places = self.places.borrow_mut();
        let idle = &mut places.entry(key(target)).or_insert_with(|| Place::new(target)).idle;
        if idle.len() < MOST_IDLE {
            idle.push((sender, Instant::now()));
        }
    }

    /// A new connection.
    pub(crate) async fn dial(&self, target: &Arc<Target>, time: Duration) -> io::Result<Connection> {
        let dialling = async {
            let address = self.address(target).await?;
            let stream = TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)
        };
        let dialled = timeout(time, dialling).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let (sender, connection) = match dialled {
            Ok(both) => both,
            Err(error) => {
                if let Some(place) = self.places.borrow_mut().get_mut(&key(target)) {
                    place.address = None;
                }
                return Err(error);
            }
        };
        // Its end is seen by who uses it.
        tokio::task::spawn_local(connection.with_upgrades());
        Ok(Connection { sender, reused: false })
    }

    async fn address(&self, target: &Arc<Target>) -> io::Result<SocketAddr> {
        let known = self.places.borrow().get(&key(target)).and_then(|place| place.address);
        if let Some((address, _)) = known.filter(|(_, since)| since.elapsed() < ADDRESS_TIME) {
            return Ok(address);
        }
        let address = resolve(target).await?;
        let mut places = self.places.borrow_mut();
        let place = places.entry(key(target)).or_insert_with(|| Place::new(target));
        place.address = Some((address, Instant::now()));
        Ok(address)
    }

    /// Lets go of what was idle for too long, and of targets that nobody else knows any more.
    pub(crate) fn sweep(&self, idle_time: Duration) {
        self.places.borrow_mut().retain(|_, place| {
            place.idle.retain(|(sender, since)| since.elapsed() < idle_time && !sender.is_closed());
            Arc::strong_count(&place.target) > 1 || !place.idle.is_empty()
        });
    }
}

/// The target's address now.
pub(crate) async fn resolve(target: &Target) -> io::Result<SocketAddr> {
    let mut found = lookup_host((target.name.as_str(), target.port)).await?;
    found.next().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
}
