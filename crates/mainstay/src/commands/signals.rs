//! Ctrl-C and SIGTERM: the first asks for an orderly end, the second ends at once.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::report;

/// Becomes true when a person wants it to end.
pub(super) fn stop() -> watch::Receiver<bool> {
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        next().await;
        report::talk("stopping: what was begun is put back; once more to leave at once");
        sender.send_replace(true);
        next().await;
        std::process::exit(130);
    });
    receiver
}

/// The same, and also when something else becomes true.
pub(super) fn stop_or(mut other: watch::Receiver<bool>) -> watch::Receiver<bool> {
    let mut signalled = stop();
    let (sender, receiver) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            Ok(_) = signalled.wait_for(|is| *is) => {}
            Ok(_) = other.wait_for(|is| *is) => {}
            else => return,
        }
        sender.send_replace(true);
    });
    receiver
}

/// Waits for the next Ctrl-C or SIGTERM.
pub(super) async fn next() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
