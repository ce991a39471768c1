//! Connections: opened, kept while idle, and looked at before they are used again.

use std::cell::RefCell;
use std::error::Error;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::book::{Book, Event};

/// More than are in use at once while all goes well; what a burst opened beyond that is closed after it.
const IDLE_KEPT: usize = 32;

/// A whole answer frees its connection at once. One that stays busy for longer is not worth keeping.
const FREE_WITHIN: Duration = Duration::from_secs(1);

/// What is sent. No body is larger than one frame.
pub(super) type Outgoing = Request<Full<Bytes>>;

/// One connection, for one request at a time.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    /// The same socket again, to look at it: what the other side did is in the kernel before hyper is told.
    socket: TcpStream,
    /// Since the answer before this request; none for a new connection.
    idle_since: Option<Instant>,
}

/// Connections without a request.
#[derive(Debug, Default)]
pub(super) struct Pool {
    idle: RefCell<Vec<Connection>>,
}

/// Opens a connection.
pub(super) async fn open(address: SocketAddr) -> Result<Connection, String> {
    let failed = |error: std::io::Error| format!("cannot connect: {error}");
    let stream = tokio::net::TcpStream::connect(address).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    let socket = stream.into_std().map_err(failed)?;
    let stream = tokio::net::TcpStream::from_std(socket.try_clone().map_err(failed)?).map_err(failed)?;
    let (sender, driver) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| format!("cannot connect: {}", chain(&error)))?;
    // Its error is also the request's, which counts it.
    tokio::task::spawn_local(async move { drop(driver.await) });
    Ok(Connection { sender, socket, idle_since: None })
}

/// Sends on a kept connection, or on a new one where none is idle. A request is sent again only where hyper gives it
/// back, which it does when none of its bytes were written.
pub(super) async fn send_kept(
    address: SocketAddr,
    pool: &Pool,
    book: &Book,
    mut request: Outgoing,
) -> Result<(Response<Incoming>, Connection), String> {
    while let Some(mut connection) = pool.take(book) {
        match connection.sender.try_send_request(request).await {
            Ok(response) => return Ok((response, connection)),
            Err(mut error) => match error.take_message() {
                Some(unsent) => {
                    book.happened(Event::IdleClosed);
                    request = unsent;
                }
                None => return Err(connection.unanswered(error.error())),
            },
        }
    }
    send_new(address, request).await
}

/// Sends on a new connection. A server that closes it before the request was written has dropped it.
pub(super) async fn send_new(
    address: SocketAddr,
    request: Outgoing,
) -> Result<(Response<Incoming>, Connection), String> {
    let mut connection = open(address).await?;
    match connection.sender.try_send_request(request).await {
        Ok(response) => Ok((response, connection)),
        Err(error) => Err(connection.unanswered(error.error())),
    }
}

/// An error with its causes.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}

impl Pool {
    /// Keeps a connection whose answer is whole, where the server keeps it too.
    pub(super) async fn keep(&self, mut connection: Connection) {
        if !matches!(timeout(FREE_WITHIN, connection.sender.ready()).await, Ok(Ok(()))) {
            return;
        }
        connection.idle_since = Some(Instant::now());
        let mut idle = self.idle.borrow_mut();
        if idle.len() < IDLE_KEPT {
            idle.push(connection);
        }
    }

    /// The connection that was used last and is still open.
    fn take(&self, book: &Book) -> Option<Connection> {
        loop {
            let connection = self.idle.borrow_mut().pop()?;
            if connection.is_open() {
                return Some(connection);
            }
            book.happened(Event::IdleClosed);
        }
    }
}

impl Connection {
    /// Whether nothing has come, no end either, since the last answer.
    fn is_open(&self) -> bool {
        let nothing_came = matches!(self.socket.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
        nothing_came && self.sender.is_ready()
    }

    fn unanswered(&self, error: &hyper::Error) -> String {
        let error = chain(error);
        match self.idle_since {
            // The time is that of the request too, and tells whether the server closed an idle connection just then.
            Some(since) => {
                format!("no answer, {} ms after the last on this connection: {error}", since.elapsed().as_millis())
            }
            None => format!("no answer on a new connection: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::sync::mpsc;
    use std::thread;

    use http_body_util::BodyExt as _;
    use tokio::task::LocalSet;

    use super::*;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

    fn request() -> Outgoing {
        Request::get("/").header("host", "test").body(Full::default()).expect("a request")
    }

    /// Answers one request on each of two connections, and closes the first when told.
    fn server(close: mpsc::Receiver<()>, closed: mpsc::Sender<()>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("a listener has an address");
        thread::spawn(move || {
            let answer = || {
                let (mut stream, _) = listener.accept().expect("a connection comes");
                assert!(stream.read(&mut [0; 1024]).expect("a request comes") > 0);
                stream.write_all(ANSWER).expect("the client is there");
                stream
            };
            let first = answer();
            close.recv().expect("the test is there");
            drop(first);
            closed.send(()).expect("the test is there");
            answer()
        });
        address
    }

    #[test]
    fn a_connection_that_was_closed_is_not_used_also_before_hyper_was_told() {
        let ((close, closing), (closes, closed)) = (mpsc::channel(), mpsc::channel());
        let address = server(closing, closes);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (pool, book) = (Pool::default(), Book::new());
        LocalSet::new().block_on(&runtime, async {
            let (response, connection) = send_kept(address, &pool, &book, request()).await.expect("it is answered");
            response.into_body().collect().await.expect("it is whole");
            pool.keep(connection).await;
            assert_eq!(pool.idle.borrow().len(), 1);
            // Without an await, so that nothing else in this thread runs meanwhile.
            close.send(()).expect("the server is there");
            closed.recv().expect("the server is there");
            let (_, connection) = send_kept(address, &pool, &book, request()).await.expect("it is answered");
            assert!(connection.idle_since.is_none());
        });
        assert_eq!(book.mark().idle_closed, 1);
    }
}
