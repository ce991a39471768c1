//! What is said while nobody is served, to whom, and in which words.

use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::Full;
use hyper::{Method, Request};
use mainstay_edge::balance::Change;
use mainstay_edge::settings::Settings;

use crate::support::{Answered, Does, Edge, Upstream, add, ask, quick, until};

pub(crate) const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

pub(crate) fn maintenance(on: bool) -> Change {
    Change::Maintenance { service: "app".into(), on }
}

async fn accepting(edge: &Edge, method: Method, accept: &str) -> Answered {
    let request = Request::builder().method(method).header("accept", accept).body(Full::default());
    ask(edge.address, request.expect("a request")).await
}

#[tokio::test]
async fn a_closed_service_says_so_to_everybody_in_their_own_form() {
    let upstream = Upstream::start(Does::Answer(0)).await;
    let edge = Edge::before(quick(), &[&upstream]).await;
    edge.apply(&[maintenance(true)]);
    let page = accepting(&edge, Method::GET, BROWSER).await;
    assert_eq!((page.status, &page.headers["retry-after"]), (503, &"30".parse().expect("a value")));
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    assert_eq!(page.headers["cache-control"], "no-store");
    let html = page.body.expect("a body");
    assert!(html.contains("We are working on it") && html.contains("http-equiv=\"refresh\""), "{html}");

    let form = accepting(&edge, Method::POST, BROWSER).await;
    assert!(!form.body.expect("a body").contains("refresh"), "a form would be lost by it");

    let problem = accepting(&edge, Method::GET, "application/json").await;
    assert_eq!(
        (problem.status, &problem.headers["content-type"]),
        (503, &"application/problem+json".parse().expect("a value"))
    );
    let problem: serde_json::Value = serde_json::from_str(&problem.body.expect("a body")).expect("JSON");
    assert_eq!((&problem["status"], &problem["title"]), (&503.into(), &"Service Unavailable".into()));

    let line = edge.get("/").await;
    assert_eq!(line.body.as_deref(), Ok("The service is closed for maintenance. Please try again later.\n"));
    assert_eq!(upstream.count(), 0);
    until(|| edge.counts("").refused == 4).await;
    assert_eq!(edge.counts("").failed, 0);

    edge.apply(&[maintenance(false)]);
    assert_eq!(edge.get("/").await.status, 200);
}

#[tokio::test]
async fn who_works_on_it_passes() {
    let upstream = Upstream::start(Does::Answer(0)).await;
    let mut settings = quick();
    settings.answers.maintenance_allow = vec!["192.0.2.0/24".parse().expect("a network")];
    settings.clients.trusted = vec!["127.0.0.0/8".parse().expect("a network")];
    let edge = Edge::before(settings, &[&upstream]).await;
    edge.apply(&[maintenance(true)]);
    for (client, status) in [("192.0.2.7", 200), ("203.0.113.7", 503)] {
        let request = Request::get("/").header("x-forwarded-for", client).body(Full::default());
        assert_eq!(ask(edge.address, request.expect("a request")).await.status, status, "{client}");
    }
}

#[tokio::test]
async fn who_waits_when_it_closes_waits_no_longer() {
    let edge = Edge::start(quick());
    edge.apply(&[add("127.0.0.1:1".parse().expect("an address"), "1")]);
    let close = async {
        until(|| edge.shared.held.load(Ordering::Relaxed) == 1).await;
        edge.apply(&[maintenance(true)]);
    };
    let (answer, ()) = tokio::join!(edge.get("/"), close);
    assert_eq!((answer.status, &answer.headers["retry-after"]), (503, &"30".parse().expect("a value")));
}

#[tokio::test]
async fn where_no_target_answers_a_person_gets_a_page_too() {
    let folder = std::env::temp_dir().join(format!("edge-own-pages-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut settings = Settings { held_time: Duration::from_millis(50), ..quick() };
    settings.answers.pages = Some(folder.clone());
    let edge = Edge::start(settings);
    edge.apply(&[add("127.0.0.1:1".parse().expect("an address"), "1")]);
    let ours = accepting(&edge, Method::GET, BROWSER).await;
    assert_eq!((ours.status, &ours.headers["retry-after"]), (503, &"1".parse().expect("a value")));
    assert!(ours.body.expect("a body").contains("We will be right back"));
    std::fs::write(folder.join("unavailable.html"), "<p>our own</p>").expect("it is written");
    assert!(edge.shared.pages.reload().is_empty());
    let own = accepting(&edge, Method::GET, BROWSER).await;
    assert_eq!(own.body.as_deref(), Ok("<p>our own</p>"));
    std::fs::remove_dir_all(folder).expect("it goes");
}
