//! Who asks, and how much of it: connections and requests by client, so that one of them cannot take everything.
//!
//! The table of clients is bounded. When it is full of clients that are there now, a further one is served without
//! limits of its own: an attack from more addresses than that is not held by limits of each, and who is no part of it
//! must not suffer from them.

mod net;
mod rate;
mod source;

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::limit::{Hits, Limit};
use crate::settings::ClientSettings;
pub use net::{Net, NoNet, any_contains};
pub use rate::Rate;
pub(crate) use source::{scheme, source};

/// Parts of the table, each with a lock of its own: more than there are cores.
const SHARDS: usize = 16;

/// Clients in a part. All together are 65 536, in some 8 MiB.
const MOST_IN_SHARD: usize = 4096;

/// The least time between two sweeps of a part that is full: a sweep for each new client would be the attack itself.
const SWEEP_NS: u64 = 1_000_000_000;

/// All clients that are there, or were a moment ago.
#[derive(Debug)]
pub struct Clients {
    shards: [Mutex<Shard>; SHARDS],
    /// Keyed anew at each start, so that nobody can choose addresses that fall into one part.
    hasher: RandomState,
    began: Instant,
    settings: ClientSettings,
    rate: Option<Rate>,
}

#[derive(Debug, Default)]
struct Shard {
    clients: HashMap<Key, Arc<Client>>,
    swept_ns: u64,
}

/// An IPv4 address, or the network of an IPv6 one: who has one of its addresses has them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key(u128);

#[derive(Debug, Default)]
struct Client {
    connections: AtomicUsize,
    /// See `Rate`.
    due_ns: AtomicU64,
}

/// A connection's place among its client's, given back when dropped.
#[derive(Debug)]
pub struct Seat(Option<Arc<Client>>);

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(client) = &self.0 {
            client.connections.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Key {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(v4.to_ipv6_mapped().into()),
            IpAddr::V6(v6) => Self(u128::from(v6) >> 64 << 64),
        }
    }
}

impl Clients {
    /// No clients yet.
    #[must_use]
    pub fn new(settings: &ClientSettings) -> Self {
        let rate = settings.client_rate.map(|per_second| Rate::new(per_second, settings.client_burst));
        Self {
            shards: Default::default(),
            hasher: RandomState::new(),
            began: Instant::now(),
            settings: settings.clone(),
            rate,
        }
    }

    /// A place for a connection; none where the client has enough of them.
    #[must_use]
    pub fn admit(&self, address: IpAddr, hits: &Hits) -> Option<Seat> {
        if any_contains(&self.settings.trusted, address.to_canonical()) {
            return Some(Seat(None));
        }
        let Some(client) = self.find(address, self.now_ns(), hits) else { return Some(Seat(None)) };
        let before = client.connections.fetch_add(1, Ordering::Relaxed);
        // Given back at once where it is one too many.
        let seat = Seat(Some(client));
        if before < self.settings.client_connections as usize {
            return Some(seat);
        }
        hits.hit(Limit::ClientConnections);
        None
    }

    /// Whether a client may make a request now.
    ///
    /// # Errors
    ///
    /// Not before so long.
    pub fn allow(&self, address: IpAddr, hits: &Hits) -> Result<(), Duration> {
        let Some(rate) = self.rate else { return Ok(()) };
        if any_contains(&self.settings.trusted, address) {
            return Ok(());
        }
        let now_ns = self.now_ns();
        let Some(client) = self.find(address, now_ns, hits) else { return Ok(()) };
        let mut wait = Duration::ZERO;
        let next = |due_ns| rate.allow(due_ns, now_ns).inspect_err(|early| wait = *early).ok();
        match client.due_ns.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) {
            Ok(_) => Ok(()),
            Err(_) => {
                hits.hit(Limit::ClientRate);
                Err(wait)
            }
        }
    }

    /// Forgets who is not there any more and has nothing to make up for.
    pub fn sweep(&self) {
        let now_ns = self.now_ns();
        for shard in &self.shards {
            lock(shard).sweep(now_ns);
        }
    }

    /// How many are told apart now.
    #[must_use]
    pub fn count(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).clients.len()).sum()
    }

    /// The client, known from now on; none where there is no room for it.
    fn find(&self, address: IpAddr, now_ns: u64, hits: &Hits) -> Option<Arc<Client>> {
        let key = Key::of(address);
        let mut shard = lock(self.shards.get(self.hasher.hash_one(key) as usize % SHARDS)?);
        if let Some(client) = shard.clients.get(&key) {
            return Some(Arc::clone(client));
        }
        if shard.clients.len() >= MOST_IN_SHARD && now_ns >= shard.swept_ns.saturating_add(SWEEP_NS) {
            shard.sweep(now_ns);
        }
        if shard.clients.len() >= MOST_IN_SHARD {
            hits.hit(Limit::Clients);
            return None;
        }
        Some(Arc::clone(shard.clients.entry(key).or_default()))
    }

    fn now_ns(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Shard {
    fn sweep(&mut self, now_ns: u64) {
        self.swept_ns = now_ns;
        // Whoever has a connection, or makes a request this moment, holds it.
        self.clients
            .retain(|_, client| Arc::strong_count(client) > 1 || client.due_ns.load(Ordering::Relaxed) > now_ns);
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn clients(change: impl FnOnce(&mut ClientSettings)) -> Clients {
        let mut settings = Settings::default().clients;
        change(&mut settings);
        Clients::new(&settings)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_client_has_so_many_connections_and_others_have_theirs() {
        let (clients, hits) = (clients(|settings| settings.client_connections = 2), Hits::default());
        let admit = |text: &str| clients.admit(address(text), &hits);
        let mut seats: Vec<_> = ["192.0.2.1", "::ffff:192.0.2.1"].map(admit).into_iter().flatten().collect();
        assert_eq!(seats.len(), 2);
        assert!(admit("192.0.2.1").is_none());
        assert!(admit("192.0.2.2").is_some());
        assert_eq!(hits.of(Limit::ClientConnections), 1);
        drop(seats.pop());
        assert!(admit("192.0.2.1").is_some(), "a connection has ended");
    }

    #[test]
    fn a_network_of_ipv6_is_one_client() {
        let (clients, hits) = (clients(|settings| settings.client_connections = 1), Hits::default());
        let admit = |text: &str| clients.admit(address(text), &hits);
        let _first = admit("2001:db8:0:1::1").expect("a place");
        assert!(admit("2001:db8:0:1:ffff::2").is_none());
        assert!(admit("2001:db8:0:2::1").is_some());
    }

    #[test]
    fn who_asks_too_often_is_told_how_long_to_wait() {
        let hits = Hits::default();
        let clients = clients(|settings| (settings.client_rate, settings.client_burst) = (Some(0.001), 2));
        let allow = |text: &str| clients.allow(address(text), &hits);
        assert!(allow("192.0.2.1").is_ok() && allow("192.0.2.1").is_ok());
        let wait = allow("192.0.2.1").expect_err("it is too much");
        assert!(wait > Duration::from_secs(900) && wait <= Duration::from_secs(1000), "{wait:?}");
        assert!(allow("192.0.2.2").is_ok());
        assert_eq!(hits.of(Limit::ClientRate), 1);
        clients.sweep();
        assert!(allow("192.0.2.1").is_err(), "who has something to make up for is not forgotten");
    }

    #[test]
    fn without_a_rate_there_is_no_table_of_who_asked() {
        let clients = clients(|_| {});
        assert!((0..1000).all(|_| clients.allow(address("192.0.2.1"), &Hits::default()).is_ok()));
        assert_eq!(clients.count(), 0);
    }

    #[test]
    fn trusted_ones_have_no_limits() {
        let clients = clients(|settings| {
            settings.trusted = vec!["192.0.2.0/24".parse().expect("a network")];
            (settings.client_connections, settings.client_rate, settings.client_burst) = (1, Some(0.001), 1);
        });
        let hits = Hits::default();
        let seats: Vec<_> = (0..9).filter_map(|_| clients.admit(address("192.0.2.1"), &hits)).collect();
        assert_eq!(seats.len(), 9);
        assert!((0..9).all(|_| clients.allow(address("192.0.2.1"), &hits).is_ok()));
    }

    #[test]
    fn whatever_number_comes_the_table_is_bounded_and_all_are_served() {
        let hits = Hits::default();
        let clients = clients(|settings| (settings.client_rate, settings.client_burst) = (Some(0.001), 1));
        for number in 0..100_000_u32 {
            assert!(clients.allow(IpAddr::V4(number.into()), &hits).is_ok());
        }
        assert!(clients.count() <= SHARDS * MOST_IN_SHARD);
        assert!(hits.of(Limit::Clients) >= 100_000 - (SHARDS * MOST_IN_SHARD) as u64);
        assert!(clients.admit(address("2001:db8::1"), &hits).is_some());
    }

    #[test]
    fn who_has_left_is_forgotten() {
        let (clients, hits) = (clients(|_| {}), Hits::default());
        let seat = clients.admit(address("192.0.2.1"), &hits);
        drop(clients.admit(address("192.0.2.2"), &hits));
        clients.sweep();
        assert_eq!(clients.count(), 1);
        drop(seat);
        clients.sweep();
        assert_eq!(clients.count(), 0);
    }
}
