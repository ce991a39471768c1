//! The stream of server-sent events: read for as long as the traffic flows, and opened again when it ends.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::{Request, Response, header};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::book::Event;
use super::connection::{self, Connection, chain};
use super::generate::{Client, stopping};
use super::report::Kind;
use super::request::{has_an_end, shown};

/// A server that ends every stream at once must not be asked without a pause.
const PAUSE: Duration = Duration::from_millis(50);

/// Keeps a stream open until the traffic stops.
pub(super) async fn run(client: Rc<Client>, path: String, mut stop: watch::Receiver<bool>) {
    loop {
        match once(&client, &path, &mut stop).await {
            Ok(End::Stopped) => return,
            Ok(End::Clean) => {}
            Err(words) => client.book.failed(Kind::Events, words),
        }
        tokio::select! {
            () = stopping(&mut stop) => return,
            () = sleep(PAUSE) => client.book.happened(Event::StreamReopened),
        }
    }
}

enum End {
    Stopped,
    Clean,
}

/// One stream, to its end.
async fn once(client: &Client, path: &str, stop: &mut watch::Receiver<bool>) -> Result<End, String> {
    let patience = client.options.timeout;
    // Not given up when the traffic stops: whether the stream can be opened is to be known.
    let opened = timeout(patience, open(client, path)).await;
    let (response, _connection) = opened.map_err(|_| format!("no answer within {patience:?}"))??;
    let mut body = response.into_body();
    let mut lines = Lines::default();
    loop {
        let frame = tokio::select! {
            frame = timeout(patience, body.frame()) => frame,
            () = stopping(stop) => return Ok(End::Stopped),
        };
        match frame {
            Err(_) => return Err(format!("silent for {patience:?}")),
            Ok(Some(Ok(frame))) => {
                let events = lines.take(frame.data_ref().map_or(&[][..], |data| data));
                client.book.happened(Event::StreamEvents(events));
            }
            Ok(Some(Err(error))) => return Err(format!("cut: {}", chain(&error))),
            Ok(None) if lines.are_whole() => return Ok(End::Clean),
            Ok(None) => return Err("ended in the middle of an event".to_owned()),
        }
    }
}

async fn open(client: &Client, path: &str) -> Result<(Response<Incoming>, Connection), String> {
    let request = Request::get(path).header(header::HOST, client.host()).header(header::ACCEPT, "text/event-stream");
    let request = request.body(Full::<Bytes>::default()).expect("the options make a valid request");
    let (response, connection) = connection::send_new(client.address, request).await?;
    let status = response.status();
    if !status.is_success() {
        let body = response.into_body().collect().await;
        let text = body.map_or_else(|_| "cut".to_owned(), |body| shown(&body.to_bytes()));
        return Err(format!("answered {}: {text}", status.as_u16()));
    }
    let content_type = response.headers().get(header::CONTENT_TYPE);
    if !content_type.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
        return Err(format!("answered {} with {content_type:?}, which is no event stream", status.as_u16()));
    }
    if !has_an_end(status, response.headers()) {
        return Err("neither chunked nor with a length, so that its end cannot be told from a cut".to_owned());
    }
    Ok((response, connection))
}

/// Where in an event a stream is.
#[derive(Debug, Default)]
struct Lines {
    line: Line,
    /// There were fields, but not yet the empty line that sends them off.
    unfinished: bool,
}

#[derive(Debug, Default, PartialEq)]
enum Line {
    #[default]
    Empty,
    Comment,
    Field,
}

impl Lines {
    /// How many events these bytes complete.
    fn take(&mut self, bytes: &[u8]) -> u64 {
        let mut events = 0;
        for byte in bytes {
            match (byte, &self.line) {
                (b'\r', _) => {}
                (b'\n', Line::Empty) => events += u64::from(std::mem::take(&mut self.unfinished)),
                (b'\n', line) => {
                    self.unfinished |= *line == Line::Field;
                    self.line = Line::Empty;
                }
                (b':', Line::Empty) => self.line = Line::Comment,
                (_, Line::Empty) => self.line = Line::Field,
                _ => {}
            }
        }
        events
    }

    /// Whether nothing is lost when the stream ends here.
    fn are_whole(&self) -> bool {
        self.line == Line::Empty && !self.unfinished
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(parts: &[&str]) -> (u64, bool) {
        let mut lines = Lines::default();
        let events = parts.iter().map(|part| lines.take(part.as_bytes())).sum();
        (events, lines.are_whole())
    }

    #[test]
    fn an_event_is_whole_with_its_empty_line() {
        assert_eq!(read(&["data: 1\n\nevent: a\nda", "ta: 2\n", "\n"]), (2, true));
        assert_eq!(read(&["data: 1\r\n\r\n"]), (1, true));
        assert_eq!(read(&["data: 1\n\ndata: 2\n"]), (1, false));
        assert_eq!(read(&["data: 1\n\ndata: 2"]), (1, false));
        assert_eq!(read(&["data: 1\n\nd"]), (1, false));
    }

    #[test]
    fn a_comment_is_no_event_and_may_come_in_one() {
        assert_eq!(read(&[":\n\n", ": still here\n"]), (0, true));
        assert_eq!(read(&[": still he"]), (0, false));
        assert_eq!(read(&["data: 1\n:\n"]), (0, false));
        assert_eq!(read(&["data: 1\n:\n\n"]), (1, true));
    }
}
