//! One attempt at one target, and what may be done after it.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, Version};
use tokio::time::timeout;

use super::body::{Broken, Sent};
use super::pool::{Connection, Sender};
use super::{Core, headers};
use crate::balance::Target;

/// A request as it goes to a target.
#[derive(Debug)]
pub(super) struct Message {
    parts: Parts,
    body: Sent,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Attempt {
    /// The answer begins; the connection is free again after its last byte.
    Answered(Response<Incoming>, Sender),
    /// No connection, so the target knows nothing of it. True where one was refused.
    NotThere(Message, bool),
    /// The connection was an old one and had ended: the target knows nothing of it.
    Again(Message),
    /// The connection ended. The target may have heard the request, which may be made again. True where the connection
    /// was an old one, whose end says nothing of the target.
    Died(Message, bool),
    /// The connection ended, and what the target has done of it is not known.
    Lost,
    /// No answer in time.
    Slow,
    /// The client's own body broke off.
    BadBody,
    /// The client's own body is too large.
    TooLarge,
}

impl Message {
    pub(super) fn new(mut parts: Parts, body: Sent) -> Self {
        parts.version = Version::HTTP_11;
        // A target sees its own form: what the client named is in `Host` as well.
        let host = parts.uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
        if let Some(host) = host {
            parts.headers.insert(header::HOST, host);
        }
        if let Some(path) = parts.uri.path_and_query().cloned() {
            parts.uri = path.into();
        }
        parts.extensions.clear();
        Self { parts, body }
    }

    /// The same once more, where it may be needed: safe to make twice, and its body is here.
    fn spare(&self) -> Option<Self> {
        let Sent::Whole(bytes) = &self.body else { return None };
        let twice = is_idempotent(&self.parts.method) || headers::has_idempotency_key(&self.parts.headers);
        twice.then(|| Self { parts: self.parts.clone(), body: Sent::Whole(bytes.clone()) })
    }

    fn into_request(self) -> Request<Sent> {
        Request::from_parts(self.parts, self.body)
    }

    fn from_request(request: Request<Sent>) -> Self {
        let (parts, body) = request.into_parts();
        Self { parts, body }
    }
}

/// RFC 9110, section 9.2.2.
fn is_idempotent(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE, Method::PUT, Method::DELETE].contains(method)
}

/// Sends the message on a connection that is there, or else on a new one.
pub(super) async fn send(core: &Rc<Core>, target: &Arc<Target>, message: Message) -> Attempt {
    let settings = &core.shared.settings;
    let connection = match core.pool.take(target, settings.idle_time).await {
        Some(connection) => connection,
        None => match core.pool.dial(target, settings.dial_time).await {
            Ok(connection) => connection,
            Err(error) => return Attempt::NotThere(message, error.kind() == io::ErrorKind::ConnectionRefused),
        },
    };
    let Connection { mut sender, reused } = connection;
    let spare = message.spare();
    let sending = sender.try_send_request(message.into_request());
    match timeout(settings.first_byte_time, sending).await {
        Ok(Ok(response)) => Attempt::Answered(response, sender),
        Ok(Err(mut failed)) => {
            let unsent = failed.take_message().map(Message::from_request);
            let error = failed.into_error();
            match (unsent, spare) {
                // Nothing of it was sent, so any request may be made again.
                (Some(same), _) if reused => Attempt::Again(same),
                (Some(same), _) => Attempt::NotThere(same, false),
                (None, None) => of_the_client(&error).unwrap_or(Attempt::Lost),
                (None, Some(same)) => Attempt::Died(same, reused),
            }
        }
        Err(_) => Attempt::Slow,
    }
}

/// What was wrong with the client's own body, where that was it.
fn of_the_client(error: &hyper::Error) -> Option<Attempt> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        match error.downcast_ref::<Broken>() {
            Some(Broken::TooLarge) => return Some(Attempt::TooLarge),
            Some(Broken::Hyper(_) | Broken::Compressor(_)) => return Some(Attempt::BadBody),
            None => cause = error.source(),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn message(method: Method, key: bool, body: Option<&'static str>) -> Message {
        let mut request = Request::builder().method(method).uri("http://example.org/a?b=c");
        if key {
            request = request.header("idempotency-key", "1");
        }
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        Message::new(parts, Sent::Whole(body.map(Bytes::from)))
    }

    #[test]
    fn only_what_may_be_made_twice_has_a_spare() {
        assert!(message(Method::GET, false, None).spare().is_some());
        assert!(message(Method::PUT, false, Some("x")).spare().is_some());
        assert!(message(Method::POST, true, Some("x")).spare().is_some());
        assert!(message(Method::POST, false, Some("x")).spare().is_none());
        assert!(message(Method::PATCH, false, None).spare().is_none());
    }

    #[test]
    fn a_target_is_asked_in_its_own_form() {
        let message = message(Method::GET, false, None);
        assert_eq!(message.parts.uri.to_string(), "/a?b=c");
        assert_eq!(message.parts.headers["host"], "example.org");
    }
}
