//! What is compressed, what is not, and that it is the same afterwards.

use std::io::Read as _;

use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use mainstay_edge::limit::Limit;
use tokio::net::TcpStream;

use crate::files::todos;
use crate::support::{Answered, Client, Does, Edge, Upstream, ask, quick, until};

async fn get(edge: &Edge, path: &str, headers: &[(&str, &str)]) -> Answered {
    with(edge, Method::GET, path, headers).await
}

async fn with(edge: &Edge, method: Method, path: &str, headers: &[(&str, &str)]) -> Answered {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    ask(edge.address, request.body(Full::default()).expect("a request")).await
}

fn header<'a>(answer: &'a Answered, name: &str) -> Option<&'a str> {
    answer.headers.get(name).map(|value| value.to_str().expect("text"))
}

/// What was sent, whole.
pub(crate) fn inflated(answer: &Answered) -> String {
    let mut text = String::new();
    let read = match header(answer, "content-encoding") {
        Some("gzip") => flate2::read::GzDecoder::new(&answer.bytes[..]).read_to_string(&mut text),
        Some("zstd") => {
            zstd::stream::read::Decoder::new(&answer.bytes[..]).expect("a decoder").read_to_string(&mut text)
        }
        _ => panic!("it is not compressed: {:?}", answer.headers),
    };
    let _ = read.expect("it is whole");
    text
}

#[tokio::test]
async fn a_text_is_compressed_as_the_client_takes_it_and_is_the_same_afterwards() {
    let upstream = Upstream::start(Does::File).await;
    let edge = Edge::before(quick(), &[&upstream]).await;
    for (takes, path, coding, text) in [
        ("gzip, deflate, br", "/", "gzip", todos(5_000)),
        ("gzip, deflate, br, zstd", "/", "zstd", todos(5_000)),
        ("zstd;q=0.1, gzip", "/missing", "gzip", todos(5_000)),
        ("zstd", "/large", "zstd", todos(3_000_000)),
        ("gzip", "/large", "gzip", todos(3_000_000)),
        ("gzip", "/chunked", "gzip", [(); 3].map(|()| todos(2_000)).concat()),
        ("zstd", "/chunked", "zstd", [(); 3].map(|()| todos(2_000)).concat()),
    ] {
        let answer = get(&edge, path, &[("accept-encoding", takes)]).await;
        assert_eq!(header(&answer, "content-encoding"), Some(coding), "{takes} {path}");
        assert!(inflated(&answer) == text, "{takes} {path}");
        assert!(answer.bytes.len() < text.len() / 5, "{} of {}", answer.bytes.len(), text.len());
        assert_eq!((header(&answer, "content-length"), header(&answer, "accept-ranges")), (None, None));
        assert_eq!(header(&answer, "vary"), Some("accept-encoding"));
    }
    until(|| edge.counts("1").answered == 7).await;
    assert_eq!(edge.counts("1").failed, 0);
    assert!(edge.lines.all().iter().all(|line| line["end"] == "complete"));
}

#[tokio::test]
async fn what_must_stay_as_it_is_stays() {
    let upstream = Upstream::start(Does::File).await;
    let edge = Edge::before(quick(), &[&upstream]).await;
    for (path, varies) in
        [("/small", false), ("/part", false), ("/done", false), ("/untouched", false), ("/picture", false)]
    {
        let answer = get(&edge, path, &[("accept-encoding", "gzip, zstd")]).await;
        assert_eq!(header(&answer, "content-encoding"), Some("br").filter(|_| path == "/done"), "{path}");
        assert!(header(&answer, "content-length").is_some(), "{path}");
        assert_eq!(header(&answer, "vary").is_some(), varies, "{path}");
    }
    for headers in [&[][..], &[("accept-encoding", "gzip;q=0, br")], &[("accept-encoding", "identity")]] {
        let answer = get(&edge, "/", headers).await;
        assert_eq!((header(&answer, "content-encoding"), answer.bytes.len()), (None, 5_000));
        assert_eq!(header(&answer, "vary"), Some("accept-encoding"), "a cache must not give this one a compressed one");
    }
    let head = with(&edge, Method::HEAD, "/", &[("accept-encoding", "gzip")]).await;
    assert_eq!((header(&head, "content-encoding"), header(&head, "content-length")), (None, Some("5000")));
}

#[tokio::test]
async fn an_event_is_not_compressed() {
    let upstream = Upstream::start(Does::Events).await;
    let edge = Edge::before(quick(), &[&upstream]).await;
    let (mut sender, connection) = http1(&edge).await;
    tokio::spawn(connection);
    let request = Request::get("/").header("host", "x").header("accept-encoding", "gzip");
    let answer = sender.send_request(request.body(Full::<bytes::Bytes>::default()).expect("a request")).await;
    assert!(!answer.expect("an answer").headers().contains_key("content-encoding"));
}

#[tokio::test]
async fn a_client_that_has_it_is_told_so_by_the_tag_it_knows() {
    let upstream = Upstream::start(Does::File).await;
    let edge = Edge::before(quick(), &[&upstream]).await;
    let first = get(&edge, "/tagged", &[("accept-encoding", "gzip")]).await;
    assert_eq!((first.status, header(&first, "etag")), (200, Some("W/\"v1\"")));
    let again = get(&edge, "/tagged", &[("accept-encoding", "gzip"), ("if-none-match", "\"v0\", W/\"v1\"")]).await;
    assert_eq!((again.status, header(&again, "etag")), (304, Some("W/\"v1\"")));
    assert_eq!(header(&again, "vary"), Some("accept-encoding"));
    let plain = get(&edge, "/tagged", &[]).await;
    assert_eq!((plain.status, header(&plain, "etag")), (200, Some("\"v1\"")));
    let again = get(&edge, "/tagged", &[("if-none-match", "\"v1\"")]).await;
    assert_eq!((again.status, header(&again, "etag")), (304, Some("\"v1\"")));
}

#[tokio::test]
async fn a_change_of_the_version_that_was_seen_is_made() {
    let upstream = Upstream::start(Does::File).await;
    let edge = Edge::before(quick(), &[&upstream]).await;
    let seen = get(&edge, "/tagged", &[("accept-encoding", "gzip")]).await;
    let tag = header(&seen, "etag").expect("a tag");
    assert_eq!(with(&edge, Method::PUT, "/bound", &[("if-match", tag)]).await.status, 204);
    assert_eq!(with(&edge, Method::PUT, "/bound", &[("if-match", "\"v0\"")]).await.status, 412);
}

#[tokio::test]
async fn what_another_site_makes_a_person_ask_for_is_not_compressed() {
    let upstream = Upstream::start(Does::File).await;
    let edge = Edge::before(quick(), &[&upstream]).await;
    let coding = async |headers: &[(&str, &str)]| {
        let headers = [&[("accept-encoding", "gzip")], headers].concat();
        let answer = get(&edge, "/", &headers).await;
        header(&answer, "content-encoding").map(str::to_owned)
    };
    assert_eq!(coding(&[("sec-fetch-site", "cross-site"), ("cookie", "session=1")]).await, None);
    assert_eq!(coding(&[("sec-fetch-site", "cross-site")]).await.as_deref(), Some("gzip"));
    assert_eq!(coding(&[("sec-fetch-site", "same-origin"), ("cookie", "session=1")]).await.as_deref(), Some("gzip"));
}

async fn http1(
    edge: &Edge,
) -> (
    hyper::client::conn::http1::SendRequest<Full<bytes::Bytes>>,
    hyper::client::conn::http1::Connection<TokioIo<TcpStream>, Full<bytes::Bytes>>,
) {
    let stream = TcpStream::connect(edge.address).await.expect("a connection");
    hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP")
}

#[tokio::test]
async fn what_comes_slowly_is_read_as_it_comes() {
    let upstream = Upstream::start(Does::File).await;
    let edge = Edge::before(quick(), &[&upstream]).await;
    for coding in ["gzip", "zstd"] {
        let (mut sender, connection) = http1(&edge).await;
        tokio::spawn(connection);
        let request = Request::get("/endless").header("host", "x").header("accept-encoding", coding);
        let answer = sender.send_request(request.body(Full::default()).expect("a request")).await.expect("an answer");
        assert_eq!(answer.headers()["content-encoding"], coding);
        let (mut body, mut bytes, mut text) = (answer.into_body(), Vec::new(), Vec::new());
        // It never ends, so this is read only if it is sent before there is much of it.
        while !text.ends_with(b"piece 3\n") {
            let frame = body.frame().await.expect("there is more").expect("it does not break off");
            bytes.extend(frame.into_data().expect("data"));
            text.clear();
            let _ = match coding {
                "gzip" => flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut text),
                _ => zstd::stream::read::Decoder::new(&bytes[..]).expect("a decoder").read_to_end(&mut text),
            };
        }
        assert_eq!(text, b"piece 0\npiece 1\npiece 2\npiece 3\n");
    }
}

#[tokio::test]
async fn only_so_many_are_compressed_at_the_same_time() {
    let upstream = Upstream::start(Does::File).await;
    let mut settings = quick();
    settings.answers.compressions = 1;
    let edge = Edge::before(settings, &[&upstream]).await;
    let (mut sender, connection) = http1(&edge).await;
    tokio::spawn(connection);
    let request = Request::get("/endless").header("host", "x").header("accept-encoding", "gzip");
    let endless = sender.send_request(request.body(Full::default()).expect("a request")).await.expect("an answer");
    let other = get(&edge, "/", &[("accept-encoding", "gzip")]).await;
    assert_eq!((header(&other, "content-encoding"), other.bytes.len()), (None, 5_000));
    assert_eq!(edge.shared.hits.of(Limit::Compressions), 1);
    drop((endless, sender));
    // The next one is compressed once the first has gone.
    let mut client = Client::new(edge.address).await;
    for _ in 0..1_000 {
        let request = Request::get("/").header("accept-encoding", "gzip").body(Full::default()).expect("a request");
        let answer = client.ask(request).await.expect("an answer");
        if header(&answer, "content-encoding") == Some("gzip") {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the compressor did not come back");
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let upstream = Upstream::start(Does::File).await;
    let mut settings = quick();
    settings.answers.compression = "off".parse().expect("a setting");
    let edge = Edge::before(settings, &[&upstream]).await;
    let answer = get(&edge, "/tagged", &[("accept-encoding", "gzip")]).await;
    assert_eq!((header(&answer, "content-encoding"), header(&answer, "vary")), (None, None));
    assert_eq!(header(&answer, "etag"), Some("\"v1\""));
}

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off() {
    let mut upstream = Upstream::start(Does::File).await;
    let edge = Edge::before(quick(), &[&upstream]).await;
    let (mut sender, connection) = http1(&edge).await;
    tokio::spawn(connection);
    let request = Request::get("/endless").header("host", "x").header("accept-encoding", "gzip");
    let answer = sender.send_request(request.body(Full::default()).expect("a request")).await.expect("an answer");
    upstream.kill().await;
    assert!(answer.into_body().collect().await.is_err(), "half a text is not passed off as a whole one");
    until(|| edge.counts("1").failed == 1).await;
}
