//! `todomvc healthcheck`: asks this container's own `/readyz`. A plain socket and no runtime, because it is started
//! every few seconds.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// The whole check, from connecting to the last byte.
const BOUND: Duration = Duration::from_secs(2);

/// More than any answer of `/readyz`.
const LONGEST_ANSWER_BYTES: u64 = 16 * 1024;

/// Asks the process that listens on this address. The error is the reason, for a person.
pub fn run(listen: SocketAddr) -> Result<(), String> {
    let address = match listen.ip() {
        ip if ip.is_unspecified() => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), listen.port()),
        _ => listen,
    };
    let answer = ask(address).map_err(|error| format!("`{address}` does not answer: {error}"))?;
    let status = answer.split(' ').nth(1).unwrap_or_default();
    match status {
        "200" => Ok(()),
        _ => Err(reason(&answer).unwrap_or_else(|| format!("`/readyz` answers with status `{status}`"))),
    }
}

fn ask(address: SocketAddr) -> io::Result<String> {
    let deadline = Instant::now() + BOUND;
    let mut stream = TcpStream::connect_timeout(&address, BOUND)?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut part = [0; 2048];
    let mut answered = stream.try_clone()?.take(LONGEST_ANSWER_BYTES);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match answered.read(&mut part) {
            Ok(0) => return Ok(String::from_utf8_lossy(&answer).into_owned()),
            Ok(length) => answer.extend_from_slice(&part[..length]),
            // The socket's word for a timeout; the next turn says it better.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// What the problem document says.
fn reason(answer: &str) -> Option<String> {
    let (_, body) = answer.split_once("\r\n\r\n")?;
    let problem: serde_json::Value = serde_json::from_str(body).ok()?;
    Some(problem.get("detail")?.as_str()?.to_owned())
}
