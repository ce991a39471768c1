//! The side of the edge that runs: passes its sockets, stands down, and takes its work up again when the other is gone.

use std::io::{self, Read as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::message::{Message, VERSION, hear, pass, say};
use super::{Listening, SILENCE};

/// From the sockets to the first accept: the taker has all it needs by then.
const START: Duration = Duration::from_secs(15);

/// When the process has no descriptor left for a connection, others have to end first.
const PAUSE_AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(50);

/// What the giver does at each turn of the handover.
pub trait Given: Send + 'static {
    /// The other accepts: this one does so no more.
    fn stand_down(&self);
    /// The other is gone: this one accepts again, by what the other has left in the journal.
    fn take_up(&self);
    /// Says what went wrong.
    fn warn(&self, text: &str);
}

/// Waits for takers, on a thread of its own that ends with the process.
///
/// # Errors
///
/// The socket cannot be made.
pub fn give(path: PathBuf, sockets: Vec<Listening>, given: impl Given) -> io::Result<()> {
    let mut listener = bind(&path)?;
    std::thread::Builder::new().name("handover".into()).spawn(move || {
        loop {
            let Ok((stream, _)) = listener.accept() else {
                std::thread::sleep(PAUSE_AFTER_ACCEPT_ERROR);
                continue;
            };
            match hand_over(stream, &sockets, &given) {
                Ok(stream) => {
                    gone(stream);
                    given.take_up();
                    // The taker had put its own door into the place of ours.
                    match bind(&path) {
                        Ok(bound) => listener = bound,
                        Err(error) => given.warn(&format!("bind {}: {error}", path.display())),
                    }
                }
                Err(error) => {
                    given.warn(&format!("another edge asked for the sockets, and did not take them: {error}"));
                }
            }
        }
    })?;
    Ok(())
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    UnixListener::bind(path)
}

/// Passes the sockets and stands down once the other accepts. Until then nothing has changed here.
fn hand_over(mut stream: UnixStream, sockets: &[Listening], given: &impl Given) -> io::Result<UnixStream> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    match hear(&mut stream)? {
        Message::Give { version: VERSION } => {}
        Message::Give { version } => {
            let why = format!("it speaks version {version}, and this edge version {VERSION}");
            say(&mut stream, &Message::Refused { why: why.clone() })?;
            return Err(io::Error::other(why));
        }
        other => return Err(io::Error::other(format!("it says {other:?}"))),
    }
    pass(&stream, sockets)?;
    stream.set_read_timeout(Some(START))?;
    match hear(&mut stream)? {
        Message::Serving => {}
        other => return Err(io::Error::other(format!("it says {other:?}"))),
    }
    given.stand_down();
    // Whether it hears that or not: it accepts, and if it is gone that shows next.
    let _ = say(&mut stream, &Message::StoodDown);
    stream.set_read_timeout(None)?;
    Ok(stream)
}

/// Returns when the other has closed its end, which it does only when it ends.
fn gone(mut stream: UnixStream) {
    let mut rest = [0; 64];
    while matches!(stream.read(&mut rest), Ok(1..)) {}
}
