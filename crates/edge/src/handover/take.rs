//! The side of the edge that starts: asks for the sockets of the one that runs, where one does.

use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::message::{Message, VERSION, hear, receive, say};
use super::{Listening, SILENCE};

/// The sockets of another edge, which still accepts from them.
#[derive(Debug)]
pub struct Taken {
    /// The sockets.
    pub sockets: Vec<Listening>,
    stream: UnixStream,
}

/// Asks the edge that runs; none where none does.
///
/// # Errors
///
/// One runs, and does not give its sockets.
pub fn take(path: &Path) -> io::Result<Option<Taken>> {
    let mut stream = match UnixStream::connect(path) {
        Ok(stream) => stream,
        // Nobody ever was here, or the one who was has ended without a word.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    stream.set_read_timeout(Some(SILENCE))?;
    stream.set_write_timeout(Some(SILENCE))?;
    say(&mut stream, &Message::Give { version: VERSION })?;
    let sockets = receive(&mut stream)?;
    Ok(Some(Taken { sockets, stream }))
}

impl Taken {
    /// Tells the other that this one accepts, and waits until it does so no more. What is returned is to be kept for as
    /// long as this process lives: by its end the other sees that it has to take its work up again.
    ///
    /// # Errors
    ///
    /// The other does not answer. Both accept then, until one of them ends.
    pub fn serving(self) -> io::Result<UnixStream> {
        let mut stream = self.stream;
        say(&mut stream, &Message::Serving)?;
        match hear(&mut stream)? {
            Message::StoodDown => Ok(stream),
            other => Err(io::Error::other(format!("it says {other:?}"))),
        }
    }
}
