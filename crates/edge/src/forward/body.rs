//! The bodies that go either way.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::compress::Compressed;
use super::exchange::Exchange;

/// A request's body on its way to a target.
#[derive(Debug)]
pub(crate) enum Sent {
    /// All of it, so that it can be sent again.
    Whole(Option<Bytes>),
    /// As it comes, up to a limit.
    Stream {
        /// What comes.
        body: Incoming,
        /// Bytes that may still come.
        left: u64,
    },
}

/// A body that is longer than it may be, or broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// It is longer than the limit.
    #[error("the body is too large")]
    TooLarge,
    /// It broke off.
    #[error(transparent)]
    Hyper(#[from] hyper::Error),
    /// It could not be compressed, for which there has to be no memory left.
    #[error("compress the body: {0}")]
    Compressor(std::io::Error),
}

impl Body for Sent {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream { body, left } => {
                let frame = ready!(Pin::new(body).poll_frame(context)).transpose()?;
                if let Some(data) = frame.as_ref().and_then(Frame::data_ref) {
                    *left = left.checked_sub(data.len() as u64).ok_or(Broken::TooLarge)?;
                }
                Poll::Ready(frame.map(Ok))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) => bytes.is_none(),
            Self::Stream { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Stream { body, .. } => body.size_hint(),
        }
    }
}

/// An answer's body on its way to the client. The exchange ends with it.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The edge's own words.
    Own(Option<Bytes>),
    /// A target's, compressed.
    Compressed(Box<Compressed>),
    /// A target's.
    Target {
        /// What comes.
        body: Incoming,
        /// What is counted and logged when it has ended.
        exchange: Box<Exchange>,
        /// Of a stream of events, which never ends by itself.
        events: Option<Events>,
    },
}

/// When a stream of events has to end, and whether it may now.
pub(crate) struct Events {
    last_call: Pin<Box<dyn Future<Output = ()>>>,
    called: bool,
    /// Whether an event has begun and not ended.
    within: bool,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Events")
            .field("called", &self.called)
            .field("within", &self.within)
            .finish_non_exhaustive()
    }
}

impl Events {
    /// Whether the stream ends here. An event that has begun is ended first, or it would be lost.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        if !self.called {
            self.called = self.last_call.as_mut().poll(context).is_ready();
        }
        self.called && !self.within
    }
}

impl Answer {
    /// A target's answer, which may have no body.
    pub(crate) fn target(body: Incoming, mut exchange: Box<Exchange>, is_events: bool) -> Self {
        if body.is_end_stream() {
            exchange.complete();
        }
        let events =
            is_events.then(|| Events { last_call: Box::pin(exchange.last_call()), called: false, within: false });
        Self::Target { body, exchange, events }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        match self.get_mut() {
            Self::Compressed(body) => body.poll_frame(context),
            Self::Own(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Target { body, exchange, events } => {
                if events.as_mut().is_some_and(|events| events.is_over(context)) {
                    exchange.ended_by_us();
                    return Poll::Ready(None);
                }
                let frame = ready!(Pin::new(&mut *body).poll_frame(context));
                let between_events = events.as_ref().is_some_and(|events| !events.within);
                if let (Some(events), Some(Ok(frame))) = (events, &frame)
                    && let Some(data) = frame.data_ref()
                {
                    events.within = !(data.ends_with(b"\n\n") || data.ends_with(b"\r\n\r\n"));
                }
                match &frame {
                    // A target that was killed: between two events the client loses nothing by a clean end, and asks anew.
                    Some(Err(_)) if between_events => {
                        exchange.broke_off();
                        return Poll::Ready(None);
                    }
                    Some(Ok(frame)) => exchange.sent(frame.data_ref().map_or(0, Bytes::len)),
                    Some(Err(_)) => exchange.broke_off(),
                    None => {}
                }
                // After the last byte of a known length nobody asks for more.
                if body.is_end_stream() || frame.is_none() {
                    exchange.complete();
                }
                Poll::Ready(frame.map(|frame| frame.map_err(Broken::Hyper)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(bytes) => bytes.is_none(),
            Self::Compressed(body) => body.is_end_stream(),
            Self::Target { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Self::Compressed(_) => SizeHint::default(),
            Self::Target { body, .. } => body.size_hint(),
        }
    }
}
