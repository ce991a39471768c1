//! Carries a request to a target, and the answer back.

mod asked;
mod attempt;
mod body;
mod compress;
mod exchange;
mod front;
mod headers;
mod hold;
mod own;
mod pool;
mod security;
mod upgrade;
mod visitor;
mod websocket;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::upgrade::OnUpgrade;
use hyper::{Method, Request, Response, StatusCode, Version};
use tokio::time::timeout;

use crate::balance::{Balancer, Finding, Services, Target};
use crate::client::{self, Clients};
use crate::count::Count;
use crate::duty::{Duty, Shift};
use crate::ledger::Ledger;
use crate::limit::Hits;
use crate::pages::Pages;
use crate::route::Routes;
use crate::server::Place;
use crate::settings::Settings;
use crate::tls::Tls;
use asked::Asked;
use attempt::{Attempt, Message};
use body::Sent;
pub(crate) use body::{Answer, Broken};
use compress::{Coders, Compressed};
pub use compress::{Coding, Codings};
use exchange::Exchange;
pub(crate) use exchange::Line;
use hold::{Waiting, wait_for_claim};
use own::Own;
use pool::Pool;
pub(crate) use pool::resolve;
pub(crate) use visitor::Visitor;

/// Lines that one core collects before it hands them on.
const MOST_LINES_BYTES: usize = 32 * 1024;

/// How often a request is made again that a target may have died of: it must not take all of them with it.
const MOST_DEATHS: u32 = 2;

/// What all cores share.
#[derive(Debug)]
pub struct Shared {
    /// Who gets a request.
    pub balancer: Balancer,
    /// Which service it is for.
    pub routes: Routes,
    /// What became of it.
    pub ledger: Ledger,
    /// The limits.
    pub settings: Settings,
    /// Where the access log goes.
    pub log: Box<dyn Log>,
    /// Requests that wait now.
    pub held: AtomicUsize,
    /// Connections of clients that are open now.
    pub connections: AtomicUsize,
    /// Who asks, and how much of it.
    pub clients: Clients,
    /// How often which limit was hit.
    pub hits: Hits,
    /// What a person sees where no target answers.
    pub pages: Pages,
    /// Whether it is this edge that accepts.
    pub duty: Duty,
    /// TLS, where it is spoken.
    pub tls: Option<Arc<Tls>>,
}

impl Shared {
    /// What they share at the start.
    #[must_use]
    pub fn new(services: Services, routes: Routes, settings: Settings, log: Box<dyn Log>) -> Self {
        Self {
            balancer: Balancer::new(services, settings.hysteresis),
            routes,
            ledger: Ledger::default(),
            log,
            clients: Clients::new(&settings.clients),
            pages: Pages::new(settings.answers.pages.clone()),
            settings,
            duty: Duty::default(),
            held: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            hits: Hits::default(),
            tls: None,
        }
    }
}

/// Takes the access log's lines, and never waits for who reads them.
pub trait Log: Send + Sync + std::fmt::Debug {
    /// Takes some lines, each with its end.
    fn write(&self, lines: Vec<u8>);
}

/// What one core has.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) shared: Arc<Shared>,
    pub(crate) pool: Pool,
    /// Requests whose last byte has not gone.
    pub(crate) exchanges: Rc<Count>,
    /// Cancelled when the edge leaves, or another takes over.
    pub(crate) shift: RefCell<Shift>,
    coders: Rc<Coders>,
    /// Lines that are handed on together: waking the writer costs more than a line.
    lines: RefCell<Vec<u8>>,
}

impl Core {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let (pool, exchanges, coders, lines, shift) = Default::default();
        Self { shared, pool, exchanges, shift, coders, lines }
    }

    pub(crate) fn log(&self, line: &Line) {
        let mut lines = self.lines.borrow_mut();
        // A line is plain text and numbers, which always serialises.
        if serde_json::to_writer(&mut *lines, line).is_ok() {
            lines.push(b'\n');
        }
        let enough = lines.len() >= MOST_LINES_BYTES;
        drop(lines);
        if enough {
            self.flush();
        }
    }

    /// Hands the lines on.
    pub(crate) fn flush(&self) {
        let lines = self.lines.take();
        if !lines.is_empty() {
            self.shared.log.write(lines);
        }
    }
}

/// Answers one request.
pub(crate) async fn answer(
    core: Rc<Core>,
    visitor: Visitor,
    place: Rc<Place>,
    shift: Shift,
    request: Request<Incoming>,
) -> Response<Answer> {
    let version = request.version();
    let (mut parts, body) = request.into_parts();
    let client_end = parts.extensions.remove::<OnUpgrade>();
    let protocol = upgrade::wanted(&parts.headers);
    let host = host(&parts).to_owned();
    let (peer, trusted) = (visitor.address.ip().to_canonical(), &core.shared.settings.clients.trusted);
    let source = client::source(peer, &parts.headers, trusted);
    let scheme = client::scheme(peer, &parts.headers, trusted, visitor.scheme());
    let address = source.to_string();
    let asked = Asked::new(&parts.method, &parts.headers);
    headers::strip(&mut parts.headers);
    if !asked.reads() {
        compress::strengthen(&core.shared.settings.answers, &mut parts.headers);
    }
    if let Some(protocol) = &protocol {
        upgrade::ask(&mut parts.headers, protocol.clone());
    }
    if parts.version == Version::HTTP_2 {
        headers::join_cookies(&mut parts.headers);
    }
    headers::introduce(&mut parts.headers, &address, &host, scheme);
    let request_id = headers::identify(&mut parts.headers, || fastrand::u128(..));
    let service = core.shared.routes.find(&host, parts.uri.path()).unwrap_or_default().to_owned();
    let mut line = Line {
        request_id: request_id.clone(),
        client: address,
        method: parts.method.to_string(),
        host,
        path: parts.uri.path().to_owned(),
        service: service.clone(),
        ..Line::default()
    };
    if let Some(mut response) = front::answer(&core, visitor, &parts, &mut line) {
        say_goodbye(&mut response, version, &shift);
        return response;
    }
    let mut exchange = Box::new(Exchange::new(Rc::clone(&core), line));
    let answered = if let Err(wait) = core.shared.clients.allow(source, &core.shared.hits) {
        Err(Own::TooOften(wait))
    } else if parts.method == Method::CONNECT {
        Err(Own::Connect)
    } else if service.is_empty() {
        Err(Own::NoRoute)
    } else {
        match read(&core.shared.settings, &parts, body).await {
            Ok(body) => carry(&core, &service, Message::new(parts, body), &mut exchange).await,
            Err(own) => Err(own),
        }
    };
    let mut response = match answered {
        Ok(response) => {
            exchange.answered(response.status().as_u16());
            pass_back(&core, &asked, response, exchange, place, protocol.zip(client_end))
        }
        Err(own) => own::answer(own, &core.shared, &asked, exchange),
    };
    if core.shared.settings.answers.security_headers && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        security::secure(response.headers_mut());
    }
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(headers::REQUEST_ID, id);
    }
    if let Some(promise) = core.shared.tls.as_ref().filter(|_| visitor.trusted).and_then(|tls| tls.promise()) {
        response.headers_mut().entry(header::STRICT_TRANSPORT_SECURITY).or_insert_with(|| promise.clone());
    }
    say_goodbye(&mut response, version, &shift);
    response
}

/// After the end of the shift each answer says that it is the connection's last: the next request comes to whoever
/// accepts then. To close without this word would race with that request. HTTP/2 has a word of its own for it.
fn say_goodbye(response: &mut Response<Answer>, version: Version, shift: &Shift) {
    let may_close = version != Version::HTTP_2 && response.status() != StatusCode::SWITCHING_PROTOCOLS;
    if may_close && shift.is_cancelled() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

/// The target's answer, as the client gets it.
fn pass_back(
    core: &Core,
    asked: &Asked,
    mut response: Response<Incoming>,
    exchange: Box<Exchange>,
    place: Rc<Place>,
    upgrade: Option<(HeaderValue, OnUpgrade)>,
) -> Response<Answer> {
    let target_end = response.extensions_mut().remove::<OnUpgrade>();
    let protocol = response.headers().get(header::UPGRADE).cloned();
    headers::strip(response.headers_mut());
    let switches = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if let (true, Some((_, client_end)), Some(target_end), Some(protocol)) = (switches, upgrade, target_end, protocol) {
        let is_websocket = protocol.as_bytes().eq_ignore_ascii_case(b"websocket");
        upgrade::ask(response.headers_mut(), protocol);
        let carrying = upgrade::carry(client_end, target_end, is_websocket, exchange);
        tokio::task::spawn_local(async move {
            carrying.await;
            drop(place);
        });
        return response.map(|_| Answer::Own(None));
    }
    let media_type = response.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let is_events = media_type.starts_with(b"text/event-stream");
    let coder = compress::prepare(&core.shared.settings.answers, &core.coders, &core.shared.hits, asked, &mut response);
    response.map(|body| match coder {
        Some(coder) => Answer::Compressed(Box::new(Compressed::new(body, exchange, coder))),
        None => Answer::target(body, exchange, is_events),
    })
}

fn host(parts: &hyper::http::request::Parts) -> &str {
    let named = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    parts.uri.authority().map(hyper::http::uri::Authority::as_str).or(named).unwrap_or_default()
}

/// Reads a small body whole, before any target is chosen; a large one is passed on as it comes.
async fn read(settings: &Settings, parts: &hyper::http::request::Parts, body: Incoming) -> Result<Sent, Own> {
    if body.is_end_stream() {
        return Ok(Sent::Whole(None));
    }
    let length = body.size_hint().exact();
    if length.is_some_and(|length| length > settings.body_bytes) {
        return Err(Own::TooLarge);
    }
    // A client that waits for leave to send gets it when the body is first read, so that is no obstacle.
    let is_small = length.is_some_and(|length| length <= settings.buffer_bytes);
    if !is_small || parts.headers.contains_key(header::UPGRADE) {
        return Ok(Sent::Stream { body, left: settings.body_bytes });
    }
    let limit = usize::try_from(settings.buffer_bytes).unwrap_or(usize::MAX);
    match timeout(settings.head_time, Limited::new(body, limit).collect()).await {
        Ok(Ok(whole)) => Ok(Sent::Whole(Some(whole.to_bytes()))),
        Ok(Err(_)) => Err(Own::BadBody),
        Err(_) => Err(Own::SlowBody),
    }
}

/// Finds a target that answers, and waits for one where there is none.
async fn carry(
    core: &Rc<Core>,
    service: &str,
    mut message: Message,
    exchange: &mut Exchange,
) -> Result<Response<Incoming>, Own> {
    let mut tried: Vec<Arc<Target>> = Vec::new();
    let waiting = Waiting::default();
    let mut deaths = 0;
    loop {
        let claim = wait_for_claim(core, service, &mut tried, &waiting, exchange).await?;
        let target = Arc::clone(claim.target());
        exchange.given_to(claim);
        match attempt::send(core, &target, message).await {
            Attempt::Answered(response, sender) => {
                exchange.keep(target, sender);
                return Ok(response);
            }
            Attempt::NotThere(same, refused) => {
                let finding = if refused { Finding::Refused } else { Finding::NotReady };
                let _ = core.shared.balancer.learn(&target, finding);
                message = same;
                tried.push(target);
            }
            Attempt::Again(same) => message = same,
            Attempt::Died(..) if deaths == MOST_DEATHS => return Err(Own::BadTarget),
            Attempt::Died(same, old_connection) => {
                deaths += 1;
                message = same;
                if !old_connection {
                    let _ = core.shared.balancer.learn(&target, Finding::NotReady);
                    tried.push(target);
                }
            }
            Attempt::Lost => return Err(Own::BadTarget),
            Attempt::Slow => return Err(Own::SlowTarget),
            Attempt::BadBody => return Err(Own::BadBody),
            Attempt::TooLarge => return Err(Own::TooLarge),
        }
        exchange.taken_back();
    }
}
