//! The access log on standard output, written by a thread of its own: a reader that does not read must not make a
//! request wait.

use std::io::{BufWriter, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use mainstay_edge::server::Log;

/// Lines that wait to be written: a second of heavy traffic, some megabytes.
const BACKLOG: usize = 16 * 1024;

/// Takes the lines; those that find no room are counted, not waited for.
#[derive(Debug)]
pub(crate) struct Stdout {
    lines: SyncSender<Vec<u8>>,
    lost: Arc<AtomicU64>,
}

impl Stdout {
    pub(crate) fn start() -> std::io::Result<Self> {
        let lost = Arc::default();
        let (lines, waiting) = sync_channel(BACKLOG);
        std::thread::Builder::new().name("log".into()).spawn({
            let lost = Arc::clone(&lost);
            move || write(&waiting, &lost)
        })?;
        Ok(Self { lines, lost })
    }
}

impl Log for Stdout {
    fn line(&self, line: Vec<u8>) {
        if self.lines.try_send(line).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Writes what there is in one go, and what comes later at once. Ends when standard output does.
fn write(lines: &Receiver<Vec<u8>>, lost: &AtomicU64) {
    let mut out = BufWriter::with_capacity(64 * 1024, std::io::stdout().lock());
    while let Ok(first) = lines.recv() {
        let mut next = Some(first);
        while let Some(line) = next {
            if out.write_all(&line).and_then(|()| out.write_all(b"\n")).is_err() {
                return;
            }
            next = lines.try_recv().ok();
        }
        let lost = lost.swap(0, Ordering::Relaxed);
        if (lost > 0
            && writeln!(
                out,
                "{{\"level\":\"WARN\",\"message\":\"lines of the access log were lost\",\"lines\":{lost}}}"
            )
            .is_err())
            || out.flush().is_err()
        {
            return;
        }
    }
}
