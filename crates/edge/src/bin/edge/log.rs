//! The access log on standard output, written by a thread of its own: a reader that does not read must not make a
//! request wait.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use mainstay_edge::server::Log;

/// Pieces of some 32 KiB that wait to be written: a second of heavy traffic.
const BACKLOG: usize = 512;

/// Takes the lines; those that find no room are counted, not waited for.
#[derive(Debug)]
pub(crate) struct Stdout {
    lines: SyncSender<Vec<u8>>,
    lost: Arc<AtomicU64>,
}

impl Stdout {
    /// Also gives the thread, which ends when all that was taken is written and the log is dropped.
    pub(crate) fn start() -> std::io::Result<(Self, JoinHandle<()>)> {
        let lost = Arc::default();
        let (lines, waiting) = sync_channel(BACKLOG);
        let writer = std::thread::Builder::new().name("log".into()).spawn({
            let lost = Arc::clone(&lost);
            move || write(&waiting, &lost)
        })?;
        Ok((Self { lines, lost }, writer))
    }
}

impl Log for Stdout {
    fn write(&self, lines: Vec<u8>) {
        if let Err(TrySendError::Full(lines) | TrySendError::Disconnected(lines)) = self.lines.try_send(lines) {
            let lost = lines.iter().filter(|byte| **byte == b'\n').count() as u64;
            self.lost.fetch_add(lost, Ordering::Relaxed);
        }
    }
}

/// Writes as it comes. Ends when standard output does.
fn write(lines: &Receiver<Vec<u8>>, lost: &AtomicU64) {
    let mut out = std::io::stdout().lock();
    while let Ok(text) = lines.recv() {
        let lost = lost.swap(0, Ordering::Relaxed);
        let told = if lost == 0 { Ok(()) } else { writeln!(out, "{}", told(lost)) };
        if told.and_then(|()| out.write_all(&text)).and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

fn told(lost: u64) -> String {
    format!("{{\"level\":\"WARN\",\"message\":\"lines of the access log were lost\",\"lines\":{lost}}}")
}
