//! An edge on a port of its own, targets that behave as they are told, and a client.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use mainstay_edge::balance::{Change, Services, Target};
use mainstay_edge::ledger::Snapshot;
use mainstay_edge::route::Routes;
use mainstay_edge::server::{Listeners, Log, Shared, serve};
use mainstay_edge::settings::Settings;
use mainstay_edge::tls::{Tls, TlsSettings};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::files;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// Keeps the access log's lines.
#[derive(Debug, Default, Clone)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl Log for Lines {
    fn write(&self, lines: Vec<u8>) {
        let text = String::from_utf8(lines).expect("text");
        self.0.lock().expect("the lines").extend(text.lines().map(str::to_owned));
    }
}

impl Lines {
    pub(crate) fn all(&self) -> Vec<serde_json::Value> {
        self.0.lock().expect("the lines").iter().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

/// A running edge; it leaves when dropped.
pub(crate) struct Edge {
    pub(crate) shared: Arc<Shared>,
    pub(crate) address: SocketAddr,
    tls_address: Option<SocketAddr>,
    /// What was wrong with its certificates.
    pub(crate) told: Arc<Mutex<Vec<String>>>,
    pub(crate) lines: Lines,
    pub(crate) leaving: CancellationToken,
    thread: Option<std::thread::JoinHandle<()>>,
}

/// Limits that a test can wait for.
pub(crate) fn quick() -> Settings {
    Settings {
        probe_interval: Duration::from_millis(50),
        held_time: Duration::from_secs(10),
        grace: Duration::from_secs(5),
        ..Settings::default()
    }
}

impl Edge {
    pub(crate) fn start(settings: Settings) -> Self {
        Self::start_with(settings, None, [0, 0])
    }

    /// One that speaks TLS as well.
    pub(crate) fn secure(settings: Settings, tls: TlsSettings) -> Self {
        Self::secure_at(settings, tls, [0, 0])
    }

    /// The same on these ports, without TLS and with it.
    pub(crate) fn secure_at(settings: Settings, tls: TlsSettings, ports: [u16; 2]) -> Self {
        let (tls, wrong) = Tls::open(tls).expect("TLS");
        assert_eq!(wrong, Vec::<String>::new());
        let edge = Self::start_with(settings, Some(Arc::new(tls)), ports);
        let (tls, leaving, told) = (edge.shared.tls.clone().expect("TLS"), edge.leaving.clone(), edge.told.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = mainstay_edge::tls::keep(tls, |wrong| told.lock().expect("what was told").push(wrong.to_owned())) => {}
                () = leaving.cancelled() => {}
            }
        });
        edge
    }

    /// Where clients that speak TLS come in.
    pub(crate) fn tls_address(&self) -> SocketAddr {
        self.tls_address.expect("it speaks TLS")
    }

    /// The certificate of its local authority.
    pub(crate) fn authority(&self) -> String {
        self.shared.tls.as_ref().expect("it speaks TLS").authority()
    }

    fn start_with(settings: Settings, tls: Option<Arc<Tls>>, [plain, secure]: [u16; 2]) -> Self {
        let lines = Lines::default();
        let routes = Routes::new(vec!["/=app".parse().expect("a route")]);
        let mut shared = Shared::new(Services::new(), routes, settings, Box::new(lines.clone()));
        shared.tls = tls;
        let shared = Arc::new(shared);
        let bind = |port| std::net::TcpListener::bind(("127.0.0.1", port)).expect("a port");
        let listener = bind(plain);
        let address = listener.local_addr().expect("an address");
        let secure = shared.tls.is_some().then(|| bind(secure));
        let tls_address = secure.as_ref().map(|listener| listener.local_addr().expect("an address"));
        let listeners = Listeners { plain: listener, tls: secure };
        let leaving = CancellationToken::new();
        let (inner, token) = (Arc::clone(&shared), leaving.clone());
        let thread = std::thread::spawn(move || serve(inner, listeners, token).expect("it serves"));
        tokio::spawn(mainstay_edge::probe::watch(Arc::clone(&shared)));
        Self { shared, address, tls_address, told: Arc::default(), lines, leaving, thread: Some(thread) }
    }

    /// An edge with one ready target for each of these, all of release `1`.
    pub(crate) async fn before(settings: Settings, upstreams: &[&Upstream]) -> Self {
        let edge = Self::start(settings);
        for upstream in upstreams {
            edge.add(upstream, "1").await;
        }
        edge.route("1");
        edge
    }

    pub(crate) fn apply(&self, changes: &[Change]) {
        let _ = self.shared.balancer.apply(changes).expect("the changes are made");
    }

    /// Adds a target and waits until it is ready.
    pub(crate) async fn add(&self, upstream: &Upstream, release: &str) {
        self.apply(&[add(upstream.address, release)]);
        until(|| self.shared.balancer.services()["app"].is_ready(release)).await;
    }

    pub(crate) fn route(&self, release: &str) {
        self.apply(&[route(release)]);
    }

    pub(crate) fn targets(&self) -> Vec<Arc<Target>> {
        let services = self.shared.balancer.services();
        services["app"].members.iter().map(|member| Arc::clone(&member.target)).collect()
    }

    pub(crate) fn counts(&self, release: &str) -> Snapshot {
        self.shared.ledger.of("app", release).snapshot()
    }

    pub(crate) async fn get(&self, path: &str) -> Answered {
        ask(self.address, Request::get(path).body(Full::default()).expect("a request")).await
    }

    pub(crate) async fn post(&self, path: &str, body: &'static str) -> Answered {
        ask(self.address, Request::post(path).body(Full::from(body)).expect("a request")).await
    }

    /// Waits for its end.
    pub(crate) async fn left(mut self) {
        let thread = self.thread.take().expect("it runs");
        tokio::task::spawn_blocking(move || thread.join().expect("no panic")).await.expect("no panic");
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        self.leaving.cancel();
    }
}

pub(crate) fn add(address: SocketAddr, release: &str) -> Change {
    let name = address.ip().to_string();
    Change::Add { service: "app".into(), name, port: address.port(), release: release.into() }
}

pub(crate) fn route(release: &str) -> Change {
    Change::Route { service: "app".into(), shares: [(release.to_owned(), 1)].into(), force: false }
}

pub(crate) fn drain(address: SocketAddr) -> Change {
    Change::Drain { service: "app".into(), name: address.ip().to_string() }
}

/// Waits until something is so; the bound is for liveness.
pub(crate) async fn until(what: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not come to pass within ten seconds");
}

/// What a target does with a request besides answering its probes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Does {
    /// Answers with its name after some milliseconds.
    Answer(u64),
    /// Answers once for each connection, and closes it without a word as soon as another request comes.
    CloseOnSecond,
    /// Answers every third request with status 500.
    FailEveryThird,
    /// Takes the request, and closes the connection without an answer.
    Close,
    /// Answers with a file of `files`.
    File,
    /// Answers with a stream of pieces, one each 50 ms.
    Stream(usize),
    /// Answers with server-sent events without end, each in two pieces.
    Events,
    /// Becomes a WebSocket that sends frames without end, each in two pieces, and reads until the client closes.
    WebSocket,
}

/// A target of ours. Gone when dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    /// Requests that are no probes, as they arrived.
    pub(crate) seen: Arc<Mutex<Vec<Request<()>>>>,
    task: tokio::task::JoinHandle<()>,
}

static NEXT: AtomicUsize = AtomicUsize::new(1);

impl Upstream {
    /// On a loopback address of its own, since targets are named by host.
    pub(crate) async fn start(does: Does) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed) + 1;
        let listener = TcpListener::bind(format!("127.0.7.{number}:0")).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::default();
        let inner = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(one(stream, does, Arc::clone(&inner)));
            }
        });
        Self { address, seen, task }
    }

    pub(crate) fn count(&self) -> usize {
        self.seen.lock().expect("what was seen").len()
    }

    /// Ends it, with all its connections, as SIGKILL does.
    pub(crate) async fn kill(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn one(stream: TcpStream, does: Does, seen: Arc<Mutex<Vec<Request<()>>>>) {
    let turns = AtomicUsize::new(0);
    let name = stream.local_addr().expect("an address").ip().to_string();
    let service = service_fn(|mut request: Request<Incoming>| {
        let (turn, seen, name) = (turns.fetch_add(1, Ordering::Relaxed), Arc::clone(&seen), name.clone());
        async move {
            if request.uri().path() == "/readyz" {
                return Ok(Response::new(text("ready")));
            }
            let upgrade = hyper::upgrade::on(&mut request);
            let (parts, body) = request.into_parts();
            let body = body.collect().await.map_err(|_| "the body broke off")?;
            let head = (parts.uri.clone(), parts.headers.clone());
            let number = {
                let mut seen = seen.lock().expect("what was seen");
                seen.push(Request::from_parts(parts, ()));
                seen.len()
            };
            match does {
                Does::Answer(ms) => {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    let response = Response::builder().header("server", "a target");
                    Ok(response.body(text(&format!("{name} {}", body.to_bytes().len()))).expect("a response"))
                }
                Does::FailEveryThird if number % 3 == 0 => {
                    Ok(Response::builder().status(500).body(text("no")).expect("a response"))
                }
                Does::FailEveryThird => Ok(Response::new(text(&name))),
                Does::File => Ok(files::answer(head.0.path(), &head.1)),
                Does::CloseOnSecond if turn == 0 => Ok(Response::new(text(&name))),
                Does::CloseOnSecond | Does::Close => Err("closed as told"),
                Does::Stream(pieces) => Ok(Response::new(stream_of((0..pieces).map(|piece| format!("{piece}\n"))))),
                Does::Events => {
                    let pieces = (0..).map(|piece| if piece % 2 == 0 { "data: a" } else { " todo\n\n" }.to_owned());
                    let response = Response::builder().header("content-type", "text/event-stream; charset=utf-8");
                    Ok(response.body(stream_of(pieces)).expect("a response"))
                }
                Does::WebSocket => {
                    tokio::spawn(frames(upgrade));
                    let response = Response::builder().status(101).header("connection", "Upgrade");
                    Ok(response.header("upgrade", "websocket").body(text("")).expect("a response"))
                }
            }
        }
    });
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}

pub(crate) fn text(text: &str) -> BoxBody<Bytes, Infallible> {
    Full::from(text.to_owned()).boxed()
}

/// Sends a frame of five bytes again and again, in two pieces, until the client has closed.
async fn frames(upgrade: hyper::upgrade::OnUpgrade) {
    let (mut from, mut to) = tokio::io::split(TokioIo::new(upgrade.await.expect("an upgrade")));
    let closed = async { while from.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {} };
    let sending = async {
        for piece in [&b"\x82\x05he"[..], b"llo"].into_iter().cycle() {
            if to.write_all(piece).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = closed => {}
        () = sending => {}
    }
}

pub(crate) fn stream_of(pieces: impl Iterator<Item = String> + Send + 'static) -> BoxBody<Bytes, Infallible> {
    let (sender, receiver) = tokio::sync::mpsc::channel::<Frame<Bytes>>(1);
    tokio::spawn(async move {
        for piece in pieces {
            if sender.send(Frame::data(piece.into())).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let frames = futures_util::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|frame| (Ok::<_, Infallible>(frame), receiver))
    });
    BodyExt::boxed(StreamBody::new(frames))
}

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: hyper::HeaderMap,
    /// `Err` where it broke off.
    pub(crate) body: Result<String, String>,
    /// As it came; nothing where it broke off.
    pub(crate) bytes: Bytes,
}

impl Answered {
    /// Reads it to its end.
    pub(crate) async fn read(response: Response<Incoming>) -> Self {
        let (parts, body) = response.into_parts();
        let (bytes, broken) = match body.collect().await {
            Ok(body) => (body.to_bytes(), None),
            Err(error) => (Bytes::new(), Some(error.to_string())),
        };
        let body = broken.map_or_else(|| Ok(String::from_utf8_lossy(&bytes).into_owned()), Err);
        Self { status: parts.status.as_u16(), headers: parts.headers, body, bytes }
    }
}

/// One request on a connection of its own.
pub(crate) async fn ask(address: SocketAddr, request: Request<Full<Bytes>>) -> Answered {
    let mut client = Client::new(address).await;
    client.ask(request).await.expect("an answer")
}

/// A client that keeps its connection.
pub(crate) struct Client {
    sender: hyper::client::conn::http1::SendRequest<Full<Bytes>>,
}

impl Client {
    pub(crate) async fn new(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.expect("a connection")).await
    }

    /// On a connection that is there.
    pub(crate) async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Self {
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
        tokio::spawn(connection);
        Self { sender }
    }

    pub(crate) async fn ask(&mut self, mut request: Request<Full<Bytes>>) -> Result<Answered, hyper::Error> {
        request.headers_mut().entry("host").or_insert(hyper::header::HeaderValue::from_static("example.org"));
        self.sender.ready().await?;
        Ok(Answered::read(self.sender.send_request(request).await?).await)
    }
}
