//! Asks a running edge.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::{Ask, Reply};

/// Asks, and waits for the answer.
///
/// # Errors
///
/// No edge listens there, or it ended before it answered.
pub fn ask(socket: &Path, ask: &Ask) -> io::Result<Reply> {
    let mut stream = UnixStream::connect(socket)?;
    let mut text = serde_json::to_vec(ask)?;
    text.push(b'\n');
    stream.write_all(&text)?;
    let mut line = String::new();
    if BufReader::new(stream).read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_str(&line)?)
}
