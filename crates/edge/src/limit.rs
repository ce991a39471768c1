//! How often which limit was hit: what an operator looks at before changing one.

use std::sync::atomic::{AtomicU64, Ordering};

/// A limit, by what it bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Connections of all clients: the next one waits in the kernel's queue.
    Connections,
    /// Connections of one client: the next one is closed.
    ClientConnections,
    /// Requests of one client in a time: 429.
    ClientRate,
    /// Clients that are told apart: the next one is served without limits of its own.
    Clients,
    /// Requests that wait for a target: 503.
    Held,
    /// The size of a request's body: 413.
    BodyBytes,
    /// The time for a request's body: 408.
    BodyTime,
    /// Answers that are compressed at the same time: the next one goes as it is.
    Compressions,
}

const ALL: [(Limit, &str); 8] = [
    (Limit::Connections, "connections"),
    (Limit::ClientConnections, "client_connections"),
    (Limit::ClientRate, "client_rate"),
    (Limit::Clients, "clients"),
    (Limit::Held, "held"),
    (Limit::BodyBytes, "body_bytes"),
    (Limit::BodyTime, "body_time"),
    (Limit::Compressions, "compressions"),
];

/// The counts since the start. All only grow.
#[derive(Debug, Default)]
pub struct Hits([AtomicU64; ALL.len()]);

impl Hits {
    /// One more.
    pub fn hit(&self, limit: Limit) {
        let _ = self.0[limit as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// How often it was hit.
    #[must_use]
    pub fn of(&self, limit: Limit) -> u64 {
        self.0[limit as usize].load(Ordering::Relaxed)
    }

    /// Each limit's name and count.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ALL.iter().map(|(limit, name)| (*name, self.of(*limit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_is_counted_under_its_own_name() {
        for (limit, name) in ALL {
            let hits = Hits::default();
            hits.hit(limit);
            assert_eq!(hits.all().filter(|(_, count)| *count > 0).collect::<Vec<_>>(), [(name, 1)]);
        }
    }
}
