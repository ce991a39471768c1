//! The one connection of this process that hears what changes, and hands it to every open event stream. When it was
//! lost, everyone is told to read the list again, because announcements of the time between are gone.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::change::{Change, Event};
use crate::database::{Database, Failure};
use crate::todos::store;

/// Events kept for a stream that does not keep up. One that falls further behind reads the list again, which is
/// cheaper than the memory.
const BACKLOG: usize = 256;

/// As for requests: short first, since a failover is short, and bounded, since the database may be away for long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Where event streams subscribe.
pub(crate) type Feed = broadcast::Sender<Arc<Event>>;

/// A feed that nobody listens to yet.
pub(crate) fn feed() -> Feed {
    broadcast::Sender::new(BACKLOG)
}

/// Listens until the process stops.
pub(crate) async fn listen(database: Arc<Database>, feed: Feed, stopping: CancellationToken) {
    let listening = async {
        let mut pause = FIRST_PAUSE;
        loop {
            match listen_once(&database, &feed).await {
                Ok(()) => pause = FIRST_PAUSE,
                Err(failure) => {
                    tracing::debug!(%failure, "changes are not heard; trying again");
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
            sleep(pause).await;
        }
    };
    stopping.run_until_cancelled(listening).await;
}

/// Listens on one connection until it is lost.
async fn listen_once(database: &Database, feed: &Feed) -> Result<(), Failure> {
    let (link, mut notifications) = database.listen("todo_change").await?;
    // Asked after listening has begun, so that nothing falls between the revision and the first announcement.
    let revision = store::revision_on(&link).await.map_err(|error| Failure::Refused(error.to_string()))?;
    // A feed without subscribers gives an error, and that is fine.
    let _ = feed.send(Arc::new(Event::Reset { revision }));
    while let Some(payload) = notifications.recv().await {
        let _ = feed.send(Arc::new(Event::Change(Change::parse(&payload))));
    }
    tracing::warn!("the connection that hears changes was lost");
    Ok(())
}
