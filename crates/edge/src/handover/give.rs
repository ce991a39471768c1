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

/// What the giver is and does at each turn of the handover.
pub trait Given: Send + 'static {
    /// Whether it accepts.
    fn is_on_duty(&self) -> bool;
    /// The other accepts: this one does so no more.
    fn stand_down(&self);
    /// The other is gone: this one accepts again, by what the other has left in the journal.
    fn take_up(&self);
    /// Says what went wrong.
    fn warn(&self, text: &str);
}

/// What became of a question.
enum Answered {
    /// The other has the sockets and the duty.
    HandedOver(UnixStream),
    /// The other stands by; it sees by the end of this connection that it has to take over.
    StandsBy(UnixStream),
}

/// Waits for takers, on a thread of its own that ends with the process.
///
/// # Errors
///
/// The socket cannot be made.
pub fn give(path: PathBuf, sockets: Vec<Listening>, given: impl Given) -> io::Result<()> {
    let mut listener = bind(&path)?;
    std::thread::Builder::new().name("handover".into()).spawn(move || {
        let mut standing_by = Vec::new();
        loop {
            let Ok((stream, _)) = listener.accept() else {
                std::thread::sleep(PAUSE_AFTER_ACCEPT_ERROR);
                continue;
            };
            match answer(stream, &sockets, &given) {
                Ok(Answered::StandsBy(stream)) => standing_by.push(stream),
                Ok(Answered::HandedOver(stream)) => {
                    stand_by(stream, &path);
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

fn answer(mut stream: UnixStream, sockets: &[Listening], given: &impl Given) -> io::Result<Answered> {
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    let asked = hear(&mut stream)?;
    let why = match asked {
        Message::Give { version: VERSION } | Message::StandBy { version: VERSION } if given.is_on_duty() => None,
        Message::Give { version: VERSION } | Message::StandBy { version: VERSION } => Some("it leaves".to_owned()),
        Message::Give { version } | Message::StandBy { version } => {
            Some(format!("it speaks version {version}, and this edge version {VERSION}"))
        }
        ref other => Some(format!("it says {other:?}")),
    };
    if let Some(why) = why {
        say(&mut stream, &Message::Refused { why: why.clone() })?;
        return Err(io::Error::other(why));
    }
    match asked {
        Message::StandBy { .. } => {
            say(&mut stream, &Message::Noted)?;
            Ok(Answered::StandsBy(stream))
        }
        _ => hand_over(stream, sockets, given).map(Answered::HandedOver),
    }
}

/// Passes the sockets and stands down once the other accepts. Until then nothing has changed here.
fn hand_over(mut stream: UnixStream, sockets: &[Listening], given: &impl Given) -> io::Result<UnixStream> {
    pass(&stream, sockets)?;
    stream.set_read_timeout(Some(START))?;
    match hear(&mut stream)? {
        Message::Serving => {}
        other => return Err(io::Error::other(format!("it says {other:?}"))),
    }
    given.stand_down();
    // Whether it hears that or not: it accepts, and if it is gone that shows next.
    let _ = say(&mut stream, &Message::StoodDown);
    Ok(stream)
}

/// Returns when no other edge is on duty any more. The one that took over may have handed over to a third.
fn stand_by(mut stream: UnixStream, path: &Path) {
    loop {
        gone(stream);
        match register(path) {
            Ok(next) => stream = next,
            Err(_) => return,
        }
    }
}

/// Asks the edge that is on duty now to be told of its end.
fn register(path: &Path) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    say(&mut stream, &Message::StandBy { version: VERSION })?;
    match hear(&mut stream)? {
        Message::Noted => Ok(stream),
        other => Err(io::Error::other(format!("it says {other:?}"))),
    }
}

/// Returns when the other has closed its end, which it does only when it ends.
fn gone(mut stream: UnixStream) {
    let mut rest = [0; 64];
    let patient = stream.set_read_timeout(None);
    while patient.is_ok() && matches!(stream.read(&mut rest), Ok(1..)) {}
}
