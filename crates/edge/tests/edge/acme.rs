//! Certificates from an ACME server.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use mainstay_edge::tls::{Challenge, Names, Source, Status, TlsSettings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::maintenance::maintenance;
use crate::pebble::{Pebble, Tells, free_port};
use crate::support::{Client, Does, Edge, Upstream, ask, quick, until};
use crate::trust::{connect, trusting};

const DOMAIN: &str = "shop.example.org";

/// TLS that orders there.
fn settings(pebble: &Pebble, challenge: Challenge) -> TlsSettings {
    TlsSettings {
        domains: Names(vec![DOMAIN.to_owned()]),
        acme_directory: pebble.directory(),
        acme_root: pebble.path("root.pem").display().to_string(),
        acme_contact: "operator@example.org".to_owned(),
        acme_challenge: challenge,
        acme_retry: Duration::from_millis(200),
        https_port: pebble.ports[1],
        ..pebble.scratch.settings()
    }
}

fn start(pebble: &Pebble, challenge: Challenge) -> Edge {
    Edge::secure_at(quick(), settings(pebble, challenge), pebble.ports)
}

fn status(edge: &Edge) -> Status {
    edge.shared.tls.as_ref().expect("TLS").status().remove(1)
}

async fn issued(edge: &Edge) -> Status {
    patiently(edge, || status(edge).not_after.is_some()).await;
    status(edge)
}

/// Waits for what may need several orders: Pebble refuses some requests on purpose. The bound is for liveness.
async fn patiently(edge: &Edge, what: impl Fn() -> bool) {
    for _ in 0..3_000 {
        if what() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it did not come to pass within half a minute: {:?}", edge.told.lock());
}

/// What is served for the domain to who trusts these roots.
async fn served(edge: &Edge, roots: &str) -> Option<Vec<u8>> {
    let stream = connect(edge.tls_address(), DOMAIN, trusting(roots, &[])).await.ok()?;
    stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()).map(|first| first.to_vec())
}

/// Waits until another certificate is served. One of them is at every moment.
async fn another(edge: &Edge, roots: &str, before: &[u8]) {
    for _ in 0..3_000 {
        if served(edge, roots).await.expect("a certificate") != before {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no other certificate within half a minute: {:?}", edge.told.lock());
}

/// The one file in the folder of the ACME server with this name.
fn file(pebble: &Pebble, name: &str) -> std::path::PathBuf {
    let folders = std::fs::read_dir(pebble.path("tls")).expect("a folder").map(|entry| entry.expect("an entry").path());
    let mut acme =
        folders.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("acme-")));
    acme.next().expect("the folder of the server").join(name)
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_ordered_by_http_01_and_renewed_when_a_person_wants_it() {
    let pebble = Pebble::start("http-01", Tells { no_tls: true, ..Tells::default() }).await;
    let edge = start(&pebble, Challenge::Http01);
    assert!(served(&edge, &edge.authority()).await.is_some(), "until then the local one serves");
    let first = issued(&edge).await;
    assert_eq!(
        (first.source, first.names.as_slice(), first.last_error),
        (Source::Acme, &[DOMAIN.to_owned()][..], None)
    );
    let root = pebble.root().await;
    let before = served(&edge, &root).await.expect("all the world trusts it");
    for name in ["account.json", "shop.example.org.pem"] {
        assert_eq!(mode(&file(&pebble, name)), 0o600, "{name}");
    }
    assert_eq!(mode(&pebble.path("tls")), 0o700);
    assert_eq!(std::fs::read_dir(pebble.path("tls/challenges")).expect("a folder").count(), 0, "no proof is left");

    // A connection that is there goes on, and a new one gets the new certificate.
    let mut old = connect(edge.tls_address(), DOMAIN, trusting(&root, &[])).await.expect("a handshake");
    edge.shared.tls.as_ref().expect("TLS").renew(DOMAIN).expect("it is ours");
    another(&edge, &root, &before).await;
    old.write_all(b"GET /.well-known/acme-challenge/x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .expect("it is sent");
    assert_eq!(old.read_u8().await.expect("an answer"), b'H');
    assert!(edge.shared.tls.as_ref().expect("TLS").renew("other.example.org").is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_ordered_by_tls_alpn_01() {
    let pebble = Pebble::start("tls-alpn-01", Tells { no_http: true, ..Tells::default() }).await;
    let edge = start(&pebble, Challenge::TlsAlpn01);
    let _ = issued(&edge).await;
    assert!(served(&edge, &pebble.root().await).await.is_some());
    let proof = trusting(&edge.authority(), &["acme-tls/1"]);
    assert!(connect(edge.tls_address(), DOMAIN, proof).await.is_err(), "without a proof there is no handshake");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_one_proof_fails_the_other_is_tried() {
    let pebble = Pebble::start("fallback", Tells { no_http: true, ..Tells::default() }).await;
    let edge = start(&pebble, Challenge::Any);
    assert_eq!(issued(&edge).await.last_error, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_told_and_tried_again() {
    let both = Tells { no_http: true, no_tls: true, ..Tells::default() };
    let mut pebble = Pebble::start("failure", both).await;
    let edge = start(&pebble, Challenge::Any);
    let refused = || status(&edge).last_error.is_some_and(|error| error.contains("not proven by tls-alpn-01"));
    patiently(&edge, refused).await;
    let told = status(&edge);
    assert_eq!(told.not_after, None, "{told:?}");
    let trouble = std::fs::read_to_string(file(&pebble, "shop.example.org.trouble.json")).expect("it is kept");
    assert!(trouble.contains("not proven by"), "{trouble}");
    assert!(served(&edge, &edge.authority()).await.is_some(), "the local one serves");
    // The server is another one now, which knows no account of ours.
    pebble.run(Tells::default()).await;
    assert_eq!(issued(&edge).await.last_error, None);
    assert!(served(&edge, &pebble.root().await).await.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_renewed_before_its_end() {
    let pebble = Pebble::start("renewed", Tells { lifetime_s: Some(6), ..Tells::default() }).await;
    let edge = start(&pebble, Challenge::Any);
    let first = issued(&edge).await.not_after;
    patiently(&edge, || status(&edge).not_after > first).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_edges_side_by_side_order_one_certificate_and_both_serve_it() {
    let pebble = Pebble::start("two", Tells::default()).await;
    // The server asks one of them, whichever has ordered.
    let (one, other) = (settings(&pebble, Challenge::Any), settings(&pebble, Challenge::Any));
    let other = Edge::secure_at(quick(), other, [free_port(), free_port()]);
    let one = Edge::secure_at(quick(), one, pebble.ports);
    assert_eq!(one.authority(), other.authority());
    let _ = (issued(&one).await, issued(&other).await);
    let root = pebble.root().await;
    let (first, second) = (served(&one, &root).await.expect("one"), served(&other, &root).await.expect("the same"));
    assert_eq!(first, second);
    let said = std::fs::read_to_string(pebble.path("said")).expect("what it said");
    assert_eq!(said.matches("Issued certificate serial").count(), 1, "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_corrupt_file_is_replaced_and_a_restart_orders_nothing() {
    let pebble = Pebble::start("corrupt", Tells::default()).await;
    let root = {
        let edge = start(&pebble, Challenge::Any);
        let _ = issued(&edge).await;
        let root = pebble.root().await;
        let before = served(&edge, &root).await.expect("a certificate");
        std::fs::write(file(&pebble, "account.json"), "{").expect("it is written");
        let path = file(&pebble, "shop.example.org.pem");
        let text = std::fs::read_to_string(&path).expect("text");
        std::fs::write(&path, &text[..text.len() / 2]).expect("it is written");
        until(|| file(&pebble, "shop.example.org.pem.unreadable").exists()).await;
        assert!(served(&edge, &root).await.is_some(), "what was read before serves");
        another(&edge, &root, &before).await;
        assert!(path.exists() && file(&pebble, "account.json.unreadable").exists());
        root
    };
    let count = || std::fs::read_to_string(pebble.path("said")).expect("text").matches("Issued certificate").count();
    let before = count();
    let ports = [free_port(), free_port()];
    let edge = Edge::secure_at(quick(), settings(&pebble, Challenge::Any), ports);
    assert!(served(&edge, &root).await.is_some(), "from the first moment on");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(count(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_without_tls_is_sent_to_https_once_there_is_a_certificate() {
    let mut pebble = Pebble::start("redirect", Tells { no_http: true, no_tls: true, ..Tells::default() }).await;
    let upstream = Upstream::start(Does::Answer(0)).await;
    let edge = start(&pebble, Challenge::Any);
    edge.add(&upstream, "1").await;
    edge.route("1");
    let get = async |host: &str, path: &str| {
        let request = Request::get(path).header("host", host).body(Full::<Bytes>::default()).expect("a request");
        ask(edge.address, request).await
    };
    assert_eq!(get(DOMAIN, "/").await.status, 200, "before, a browser would be sent to a warning");
    let proof = "/.well-known/acme-challenge/abc";
    assert_eq!((get(DOMAIN, proof).await.status, upstream.count()), (404, 1), "it is no target's");
    pebble.run(Tells::default()).await;
    let _ = issued(&edge).await;
    let moved = get(&format!("{DOMAIN}:80"), "/a?b=c").await;
    assert_eq!((moved.status, upstream.count()), (308, 1));
    assert_eq!(moved.headers["location"], format!("https://{DOMAIN}:{}/a?b=c", pebble.ports[1]));
    assert_eq!((get(DOMAIN, proof).await.status, get("127.0.0.1", "/").await.status), (404, 200));
    assert_eq!(edge.counts("").failed, 0, "none of this is a failure");
    let tunnel = Request::connect(format!("{DOMAIN}:443")).header("host", DOMAIN).body(Full::default());
    assert_eq!(ask(edge.address, tunnel.expect("a request")).await.status, 405);

    let root = pebble.root().await;
    for (name, roots, promised) in [(DOMAIN, &root, true), ("localhost", &edge.authority(), false)] {
        let mut stream = connect(edge.tls_address(), name, trusting(roots, &[])).await.expect("a handshake");
        let head = format!("GET / HTTP/1.1\r\nhost: {name}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("it is sent");
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await.expect("an answer");
        assert_eq!(answer.contains("strict-transport-security: max-age=2592000"), promised, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_service_renews_and_redirects_and_the_last_redirect_says_so() {
    let pebble = Pebble::start("closed", Tells::default()).await;
    let upstream = Upstream::start(Does::Answer(0)).await;
    let edge = start(&pebble, Challenge::Http01);
    edge.add(&upstream, "1").await;
    edge.route("1");
    edge.apply(&[maintenance(true)]);
    // The proof is read by the plain door, which is closed for everything else.
    let _ = issued(&edge).await;
    let mut client = Client::new(edge.address).await;
    let get = |host: &str, path: &str| Request::get(path).header("host", host).body(Full::default());
    let get = |host: &str, path: &str| get(host, path).expect("a request");
    let proof = "/.well-known/acme-challenge/abc";
    for (host, path, status) in [(DOMAIN, "/", 308), (DOMAIN, proof, 404), ("127.0.0.1", "/", 503)] {
        let answer = client.ask(get(host, path)).await.expect("an answer");
        assert_eq!((answer.status, answer.headers.get("connection")), (status, None), "{host}{path}");
    }
    edge.shared.duty.stand_down();
    let last = client.ask(get(DOMAIN, "/")).await.expect("an answer");
    assert_eq!((last.status, &last.headers["connection"]), (308, &"close".parse().expect("a value")));
}
