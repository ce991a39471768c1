//! A target's answer on its way to the client, smaller.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body as _, Frame, Incoming};

use super::coder::{Coder, Push};
use crate::forward::body::Broken;
use crate::forward::exchange::Exchange;

/// What is compressed in one go, before others have their turn: less than a millisecond.
const SLICE_BYTES: usize = 16 * 1024;
const MOST_SLICES: usize = 4;

/// What is sent at once.
const PIECE_BYTES: usize = 16 * 1024;

/// A body that is compressed as it comes. When the target pauses, what there is goes out: a client that reads as it
/// comes sees it as soon as without compression.
#[derive(Debug)]
pub(crate) struct Compressed {
    body: Incoming,
    exchange: Box<Exchange>,
    coder: Coder,
    /// What has come and is not compressed yet.
    rest: Bytes,
    /// What is compressed and not sent yet.
    out: Vec<u8>,
    /// Whether something waits in the compressor.
    is_waiting: bool,
    /// Whether the target had nothing more the last time.
    has_paused: bool,
    state: State,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    Open,
    /// All has come, and the end is in `out`.
    Finished,
    /// All has gone, or it broke off.
    Ended,
}

impl Compressed {
    pub(crate) fn new(body: Incoming, exchange: Box<Exchange>, coder: Coder) -> Self {
        Self {
            body,
            exchange,
            coder,
            rest: Bytes::new(),
            out: Vec::new(),
            is_waiting: false,
            has_paused: false,
            state: State::Open,
        }
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.state == State::Ended
    }

    pub(crate) fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        if self.state == State::Ended {
            return Poll::Ready(None);
        }
        for _ in 0..MOST_SLICES {
            if let Err(error) = ready!(self.poll_more(context)) {
                self.state = State::Ended;
                self.exchange.broke_off();
                return Poll::Ready(Some(Err(error)));
            }
            let is_finished = self.state == State::Finished;
            if is_finished || !self.is_waiting && !self.out.is_empty() || self.out.len() >= PIECE_BYTES {
                return Poll::Ready(self.piece());
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }

    /// What is compressed so far.
    fn piece(&mut self) -> Option<Result<Frame<Bytes>, Broken>> {
        let piece = Bytes::from(std::mem::take(&mut self.out));
        self.exchange.sent(piece.len());
        if self.state == State::Finished {
            self.state = State::Ended;
            self.exchange.complete();
        }
        Some(Ok(Frame::data(piece)))
    }

    /// Compresses a slice more, or what is left where the target pauses or has ended.
    fn poll_more(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        if self.rest.is_empty() {
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers are left out: they would be of what the target sent.
                    self.rest = frame.into_data().unwrap_or_default();
                    self.has_paused = false;
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error.into())),
                Poll::Ready(None) => return Poll::Ready(self.push(&Bytes::new(), Push::Finish)),
                Poll::Pending if !self.is_waiting => return Poll::Pending,
                Poll::Pending if self.has_paused => return Poll::Ready(self.push(&Bytes::new(), Push::Flush)),
                Poll::Pending => {
                    // What has arrived already may come up in a moment: one more look is cheaper than a flush.
                    self.has_paused = true;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
            }
        }
        let slice = self.rest.split_to(self.rest.len().min(SLICE_BYTES));
        let is_last = self.rest.is_empty() && self.body.is_end_stream();
        Poll::Ready(self.push(&slice, if is_last { Push::Finish } else { Push::Take }))
    }

    fn push(&mut self, slice: &[u8], push: Push) -> Result<(), Broken> {
        if slice.is_empty() && push == Push::Take {
            return Ok(());
        }
        self.is_waiting = push == Push::Take;
        if push == Push::Finish {
            self.state = State::Finished;
        }
        self.coder.push(slice, push, &mut self.out).map_err(Broken::Compressor)
    }
}
