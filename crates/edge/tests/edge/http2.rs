//! What the edge does with answers, and says itself, is the same over HTTP/2.

use hyper::{Method, Request};
use mainstay_edge::settings::Settings;

use crate::compression::inflated;
use crate::files::todos;
use crate::maintenance::{BROWSER, maintenance};
use crate::secure::{Sender, client, get, stream};
use crate::support::{Answered, Client, Does, Edge, Upstream, quick, until};
use crate::trust::Scratch;

async fn edge(name: &str, does: Does, settings: Settings) -> (Scratch, Edge, Upstream) {
    let (scratch, upstream) = (Scratch::new(name), Upstream::start(does).await);
    let edge = Edge::secure(settings, scratch.settings());
    edge.add(&upstream, "1").await;
    edge.route("1");
    (scratch, edge, upstream)
}

async fn ask(sender: &mut Sender, headers: &[(&'static str, &str)]) -> Answered {
    let mut request = get("/");
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().expect("a value"));
    }
    sender.ready().await.expect("it is ready");
    Answered::read(sender.send_request(request).await.expect("an answer")).await
}

#[tokio::test]
async fn an_answer_is_compressed_and_protects_who_reads_it() {
    let (_scratch, edge, _upstream) = edge("h2-compressed", Does::File, quick()).await;
    let (mut sender, _) = client(&edge).await;
    for coding in ["gzip", "zstd"] {
        let answer = ask(&mut sender, &[("accept-encoding", coding)]).await;
        assert_eq!((answer.status, &answer.headers["content-encoding"]), (200, &coding.parse().expect("a value")));
        assert!(inflated(&answer) == todos(5_000) && answer.bytes.len() < 1_000, "{} bytes", answer.bytes.len());
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
    }
    let plain = ask(&mut sender, &[]).await;
    assert!(plain.body == Ok(todos(5_000)) && !plain.headers.contains_key("content-encoding"));
    until(|| edge.counts("1").answered == 3).await;
    assert!(edge.lines.all().iter().all(|line| line["end"] == "complete"));
}

#[tokio::test]
async fn requests_are_limited_and_not_connections() {
    let mut limited = quick();
    (limited.clients.client_rate, limited.clients.client_burst) = (Some(0.01), 2);
    let (_scratch, edge, upstream) = edge("h2-rate", Does::Answer(0), limited).await;
    let (mut sender, _) = client(&edge).await;
    for status in [200, 200, 429] {
        assert_eq!(ask(&mut sender, &[]).await.status, status);
    }
    let refused = ask(&mut sender, &[("accept", "application/json")]).await;
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    let seconds: u64 = refused.headers["retry-after"].to_str().expect("text").parse().expect("seconds");
    assert!((1..=101).contains(&seconds), "{seconds}");
    until(|| edge.counts("").refused == 2).await;
    assert_eq!(upstream.count(), 2);
}

#[tokio::test]
async fn a_closed_service_shows_its_page() {
    let (_scratch, edge, upstream) = edge("h2-closed", Does::Answer(0), quick()).await;
    let (mut sender, _) = client(&edge).await;
    edge.apply(&[maintenance(true)]);
    let page = ask(&mut sender, &[("accept", BROWSER)]).await;
    assert_eq!((page.status, &page.headers["retry-after"]), (503, &"30".parse().expect("a value")));
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert!(page.body.expect("a body").contains("We are working on it"));
    edge.apply(&[maintenance(false)]);
    assert_eq!((ask(&mut sender, &[]).await.status, upstream.count()), (200, 1), "on the same connection");
}

#[tokio::test]
async fn nobody_gets_a_tunnel() {
    let (_scratch, edge, upstream) = edge("h2-tunnel", Does::Answer(0), quick()).await;
    let (mut sender, _) = client(&edge).await;
    let mut request = get("/");
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = "example.org:443".parse().expect("a place");
    let response = sender.send_request(request).await.expect("an answer");
    assert_eq!((response.status().as_u16(), upstream.count()), (405, 0));
    assert_eq!(ask(&mut sender, &[]).await.status, 200, "and others go on");
}

#[tokio::test]
async fn after_a_shift_http_1_is_told_by_a_header_and_http_2_by_its_own_word() {
    let (_scratch, edge, _upstream) = edge("h2-shift", Does::Answer(0), quick()).await;
    let mut old = Client::over(stream(&edge, "http/1.1").await).await;
    let (mut new, connection) = client(&edge).await;
    let by_http_1 = || Request::get("/").body(http_body_util::Full::default()).expect("a request");
    assert_eq!(old.ask(by_http_1()).await.expect("an answer").headers.get("connection"), None);
    assert_eq!(ask(&mut new, &[]).await.status, 200);
    edge.shared.duty.stand_down();
    let last = old.ask(by_http_1()).await.expect("an answer");
    assert_eq!((last.status, &last.headers["connection"]), (200, &"close".parse().expect("a value")));
    let last = ask(&mut new, &[]).await;
    assert_eq!((last.status, last.headers.get("connection")), (200, None));
    connection.await.expect("no panic").expect("a clean end");
    assert!(new.ready().await.is_err(), "no new request is taken");
}
