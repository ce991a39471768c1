//! A connection that becomes another protocol's, as a WebSocket does: carried both ways until one side ends, or the
//! target drains.

use std::io;
use std::time::Duration;

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::time::timeout;

use super::exchange::Exchange;
use super::websocket::{Frames, GOING_AWAY};

/// How long a client may take to answer a close frame.
const CLOSE_TIME: Duration = Duration::from_secs(1);

/// What is carried at once.
const BUFFER_BYTES: usize = 16 * 1024;

/// What a client asks to change to, where it does.
pub(crate) fn wanted(headers: &HeaderMap) -> Option<HeaderValue> {
    let tokens = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let mut tokens = tokens.flat_map(|value| value.split(','));
    let asks = tokens.any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    headers.get(header::UPGRADE).filter(|_| asks).cloned()
}

/// Says it on the next connection, where it was taken out with what concerned the last one.
pub(crate) fn ask(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, protocol);
}

/// Carries bytes both ways until it ends; the exchange ends with it.
pub(crate) async fn carry(client: OnUpgrade, target: OnUpgrade, is_websocket: bool, mut exchange: Box<Exchange>) {
    let last_call = exchange.last_call();
    let Ok((client, target)) = tokio::try_join!(client, target) else {
        exchange.broke_off();
        return;
    };
    let (mut from_client, mut to_client) = tokio::io::split(TokioIo::new(client));
    let (mut from_target, mut to_target) = tokio::io::split(TokioIo::new(target));
    let mut down = Down { frames: Frames::default(), bytes: 0 };
    let ended = {
        let up = copy(&mut from_client, &mut to_target);
        let down = down.copy(&mut from_target, &mut to_client, is_websocket, last_call);
        tokio::select! {
            _ = up => End::Client,
            ended = down => ended,
        }
    };
    // Also for a target that was killed: its client is told to come again, and comes to another.
    let may_speak = is_websocket && down.frames.is_between() && !down.frames.is_closed();
    if may_speak && ended != End::Client {
        // The client answers with a close frame of its own, and what it has sent until then is heard.
        let _ = to_client.write_all(&GOING_AWAY).await;
        let _ = timeout(CLOSE_TIME, copy(&mut from_client, &mut to_target)).await;
    }
    let _ = tokio::join!(to_client.shutdown(), to_target.shutdown());
    exchange.sent(down.bytes);
    exchange.complete();
}

/// Who ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client left, or nothing could be said to it any more.
    Client,
    /// The target did.
    Target,
    /// The last call came.
    LastCall,
}

/// What went to the client.
struct Down {
    frames: Frames,
    bytes: usize,
}

impl Down {
    /// Carries until the target ends, or the last call comes and no frame is cut by it.
    async fn copy(
        &mut self,
        from: &mut ReadHalf<TokioIo<Upgraded>>,
        to: &mut WriteHalf<TokioIo<Upgraded>>,
        is_websocket: bool,
        last_call: impl Future<Output = ()>,
    ) -> End {
        let mut last_call = std::pin::pin!(last_call);
        let (mut buffer, mut called) = (vec![0; BUFFER_BYTES], false);
        loop {
            if called && (!is_websocket || self.frames.is_between()) {
                return End::LastCall;
            }
            let read = tokio::select! {
                read = from.read(&mut buffer) => read.unwrap_or(0),
                () = &mut last_call, if !called => {
                    called = true;
                    continue;
                }
            };
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { return End::Target };
            if to.write_all(bytes).await.is_err() {
                return End::Client;
            }
            self.frames.pass(bytes);
            self.bytes += read;
        }
    }
}

async fn copy(from: &mut ReadHalf<TokioIo<Upgraded>>, to: &mut WriteHalf<TokioIo<Upgraded>>) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let read = from.read(&mut buffer).await?;
        let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else { return Ok(()) };
        to.write_all(bytes).await?;
    }
}
