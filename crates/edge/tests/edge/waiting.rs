//! There is no target, for a while.

use std::sync::atomic::Ordering;
use std::time::Duration;

use mainstay_edge::balance::Change;
use mainstay_edge::settings::Settings;

use crate::support::{Does, Edge, Upstream, add, quick, route, until};

#[tokio::test]
async fn a_request_waits_for_the_first_target() {
    let upstream = Upstream::start(Does::Answer(0)).await;
    let edge = Edge::before(quick(), &[&upstream]).await;
    edge.apply(&[Change::Hold { service: "app".into() }]);
    let release = async {
        until(|| edge.shared.held.load(Ordering::Relaxed) == 1).await;
        assert_eq!(upstream.count(), 0);
        edge.apply(&[Change::Release { service: "app".into() }]);
    };
    let (answer, ()) = tokio::join!(edge.get("/"), release);
    assert_eq!(answer.status, 200);
    until(|| edge.counts("1").answered == 1).await;
    assert_eq!(edge.counts("1").held, 1);
    assert_eq!(edge.shared.held.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn all_targets_gone_and_one_back_is_a_slower_answer() {
    let mut gone = Upstream::start(Does::Answer(0)).await;
    let edge = Edge::before(quick(), &[&gone]).await;
    gone.kill().await;
    let back = async {
        until(|| edge.shared.held.load(Ordering::Relaxed) == 1).await;
        let new = Upstream::start(Does::Answer(0)).await;
        edge.add(&new, "2").await;
        edge.apply(&[route("2")]);
        new
    };
    let (answer, new) = tokio::join!(edge.post("/", "a todo"), back);
    assert_eq!((answer.status, new.count()), (200, 1));
}

#[tokio::test]
async fn who_waits_too_long_is_told_when_to_come_again() {
    let edge = Edge::start(Settings { held_time: Duration::from_millis(50), ..quick() });
    edge.apply(&[add("127.0.0.1:1".parse().expect("an address"), "1")]);
    let answer = edge.get("/").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.headers["retry-after"], "1");
    until(|| edge.counts("").failed == 1).await;
}

#[tokio::test]
async fn only_so_many_wait() {
    let edge = Edge::start(Settings { held: 1, ..quick() });
    edge.apply(&[add("127.0.0.1:1".parse().expect("an address"), "1")]);
    let one = tokio::time::timeout(Duration::from_secs(9), edge.get("/"));
    let other = async {
        until(|| edge.shared.held.load(Ordering::Relaxed) == 1).await;
        let answer = edge.get("/").await;
        assert_eq!(answer.status, 503, "refused at once, while the first still waits");
    };
    tokio::select! {
        () = other => {}
        _ = one => panic!("the first one waits longer"),
    }
    // The first client has left by now, and its place is free again.
    until(|| edge.shared.held.load(Ordering::Relaxed) == 0).await;
}
