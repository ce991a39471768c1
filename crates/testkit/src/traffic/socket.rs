//! The WebSocket: sends numbered texts, expects each of them back, and is opened again when it was closed.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::book::Event;
use super::generate::{Client, stopping};
use super::report::Kind;
use super::request::shown;

/// Often enough that a swap falls between two texts, and among some that are on their way.
const EVERY: Duration = Duration::from_millis(100);

/// A text that is not back by then is lost.
const ECHO_WITHIN: Duration = Duration::from_secs(5);

/// For the last words of a connection that is done.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// A server that closes every WebSocket at once must not be asked without a pause.
const PAUSE: Duration = Duration::from_millis(50);

/// Keeps a WebSocket open until the traffic stops.
pub(super) async fn run(client: Rc<Client>, path: String, mut stop: watch::Receiver<bool>) {
    let mut next = 0;
    loop {
        match once(&client, &path, &mut next, &mut stop).await {
            Ok(End::Stopped) => return,
            Ok(End::Clean) => {}
            Err(words) => client.book.failed(Kind::Socket, words),
        }
        tokio::select! {
            () = stopping(&mut stop) => return,
            () = sleep(PAUSE) => client.book.happened(Event::SocketReopened),
        }
    }
}

enum End {
    Stopped,
    Clean,
}

/// One WebSocket, to its end.
async fn once(client: &Client, path: &str, next: &mut u64, stop: &mut watch::Receiver<bool>) -> Result<End, String> {
    let patience = client.options.timeout;
    // Not given up when the traffic stops: whether the WebSocket can be opened is to be known.
    let opened = timeout(patience, open(client, path)).await;
    let stream = opened.map_err(|_| format!("no answer within {patience:?}"))??;
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut talk = Talk { stream, ticks, awaited: VecDeque::new(), broken: None };
    let end = talk.run(client, next, stop).await;
    if end.is_ok() {
        // Reads on, which sends the answer to the close frame, or awaits it.
        drop(timeout(CLOSE_WITHIN, async { while let Some(Ok(_)) = talk.stream.next().await {} }).await);
    }
    end
}

async fn open(client: &Client, path: &str) -> Result<WebSocketStream<TcpStream>, String> {
    let failed = |error: std::io::Error| format!("cannot connect: {error}");
    let stream = TcpStream::connect(client.address).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    match client_async(format!("ws://{}{path}", client.host()), stream).await {
        Ok((stream, _)) => Ok(stream),
        Err(Error::Http(response)) => {
            let text = response.body().as_deref().map(shown).unwrap_or_default();
            Err(format!("answered {} instead of an upgrade: {text}", response.status().as_u16()))
        }
        Err(error) => Err(format!("no upgrade: {error}")),
    }
}

/// A WebSocket and what it still owes.
struct Talk {
    stream: WebSocketStream<TcpStream>,
    ticks: Interval,
    /// Texts that are not back, and when they are lost, the oldest first.
    awaited: VecDeque<(u64, Instant)>,
    /// Why nothing can be sent any more. What has come may still end with a close frame, so reading goes on.
    broken: Option<String>,
}

impl Talk {
    async fn run(&mut self, client: &Client, next: &mut u64, stop: &mut watch::Receiver<bool>) -> Result<End, String> {
        let mut stopped = false;
        loop {
            if stopped && self.awaited.is_empty() {
                // Everything is back, so that nothing is lost whatever becomes of this.
                let done = CloseFrame { code: CloseCode::Normal, reason: "".into() };
                drop(timeout(CLOSE_WITHIN, self.stream.close(Some(done))).await);
                return Ok(End::Stopped);
            }
            let lost_at = self.awaited.front().map(|(_, lost_at)| *lost_at);
            tokio::select! {
                message = self.stream.next() => {
                    if let Some(end) = self.received(client, message)? {
                        return Ok(end);
                    }
                }
                () = sleep_until(lost_at.unwrap_or_else(Instant::now)), if lost_at.is_some() => return Err(self.lost()),
                () = stopping(stop), if !stopped => stopped = true,
                _ = self.ticks.tick(), if !stopped && self.broken.is_none() => self.send(next).await,
            }
        }
    }

    async fn send(&mut self, next: &mut u64) {
        self.awaited.push_back((*next, Instant::now() + ECHO_WITHIN));
        // A server that reads nothing must not keep this from noticing it.
        let sent = timeout(ECHO_WITHIN, self.stream.send(Message::text(next.to_string()))).await;
        match sent {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.broken = Some(error.to_string()),
            Err(_) => self.broken = Some("nothing could be sent any more".to_owned()),
        }
        *next += 1;
    }

    fn received(&mut self, client: &Client, message: Option<Result<Message, Error>>) -> Result<Option<End>, String> {
        match message {
            Some(Ok(Message::Text(text))) => {
                self.echo(client, text.as_str());
                Ok(None)
            }
            Some(Ok(Message::Close(frame))) => closed(frame).map(Some),
            Some(Ok(_)) => Ok(None),
            Some(Err(error)) => Err(format!("ended without a close frame: {error}{}", self.why_broken())),
            None => Err(format!("ended without a close frame{}", self.why_broken())),
        }
    }

    /// A text that was not sent, or not as it came back, is not counted; the one that is then missing is lost.
    fn echo(&mut self, client: &Client, text: &str) {
        let sent = self.awaited.iter().position(|(number, _)| number.to_string() == text);
        if sent.and_then(|position| self.awaited.remove(position)).is_some() {
            client.book.happened(Event::SocketEcho);
        }
    }

    fn lost(&self) -> String {
        let awaited = self.awaited.len();
        format!("{awaited} texts sent and the first not back within {ECHO_WITHIN:?}{}", self.why_broken())
    }

    fn why_broken(&self) -> String {
        self.broken.as_ref().map(|why| format!(", after: {why}")).unwrap_or_default()
    }
}

/// Clean is what a server says that is done, that leaves, or that restarts.
fn closed(frame: Option<CloseFrame>) -> Result<End, String> {
    match frame {
        Some(frame) if matches!(frame.code, CloseCode::Normal | CloseCode::Away | CloseCode::Restart) => Ok(End::Clean),
        Some(frame) => Err(format!("closed with {}: {}", u16::from(frame.code), shown(frame.reason.as_bytes()))),
        None => Err("closed with no code".to_owned()),
    }
}
