//! What is done now and then, so that nothing grows for as long as the edge runs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::interval;

use crate::server::Shared;

/// Between two turns. What waits for it is not urgent.
const TURN: Duration = Duration::from_secs(5);

/// Forgets what is no longer of use and sees what has changed, again and again; tells what is wrong. Ends never.
pub async fn run(shared: Arc<Shared>, warn: impl Fn(&str)) {
    let mut turns = interval(TURN);
    loop {
        turns.tick().await;
        shared.ledger.forget(&shared.balancer.services(), Instant::now());
        shared.clients.sweep();
        shared.pages.reload().iter().for_each(|wrong| warn(wrong));
    }
}
