//! Services behind an edge, on the in-memory engine: whatever fails, requests go to something that runs.

use mainstay_plan::observed::State;
use mainstay_plan::planner::{UpOptions, plan_up};
use mainstay_plan::stack::Stack;
use tokio::sync::watch;

use super::{engine, is_as_asked, stack, up};
use crate::engine::memory::MemoryEngine;
use crate::execute::{Execution, Outcome};
use crate::observe::observe;
use crate::report::Sink;

const BEHIND: &str = "
name: shop
services:
  edge:
    image: edge:1
    networks: [front]
    healthcheck: {test: [CMD, ready], interval: 1s, timeout: 1s}
  app:
    image: app:1
    networks: [front]
    environment: {LEVEL: info}
    x-mainstay: {edge: edge, port: 8080}
    healthcheck: {test: [CMD, ready], interval: 1s, timeout: 1s}
    deploy: {replicas: 2, update_config: {parallelism: 0}}
networks: {front: {}}
";

fn before() -> Stack {
    stack(BEHIND)
}

fn after() -> Stack {
    stack(&BEHIND.replace("app:1", "app:2"))
}

/// The images of the replicas that requests go to. Each must run.
fn serving(engine: &MemoryEngine) -> Vec<String> {
    let routed = engine.routed.borrow();
    let Some(app) = routed.get("app") else { return Vec::new() };
    let containers = engine.containers.borrow();
    let mut images = Vec::new();
    for target in app.targets.iter().filter(|target| app.shares.contains_key(&target.release)) {
        let mut found = containers.values();
        let container = found.find(|container| container.spec.target_name(container.release) == target.name);
        let container = container.unwrap_or_else(|| panic!("requests go to {}, which is gone", target.name));
        assert_eq!(container.state, State::Running, "requests go to {}", target.name);
        images.push(container.spec.image.clone());
    }
    images.sort();
    images
}

#[tokio::test(start_paused = true)]
async fn a_release_takes_the_place_of_another() {
    let engine = engine();
    assert_eq!(up(&engine, &before()).await, Outcome::Done);
    assert_eq!(serving(&engine), ["app:1", "app:1"]);
    assert_eq!(up(&engine, &after()).await, Outcome::Done);
    assert_eq!(serving(&engine), ["app:2", "app:2"]);
    assert!(is_as_asked(&engine, &after()).await);
    let names: Vec<String> = engine.containers.borrow().keys().cloned().collect();
    assert_eq!(names, ["shop-app-1", "shop-app-2", "shop-edge-1"]);
}

#[tokio::test(start_paused = true)]
async fn a_failure_at_every_step_leaves_requests_with_something_that_runs() {
    for step in 0.. {
        let engine = engine();
        assert_eq!(up(&engine, &before()).await, Outcome::Done);
        engine.fail_after(step);
        let outcome = up(&engine, &after()).await;
        if outcome == Outcome::Done {
            assert!(step > 12, "only {step} changes were made to fail");
            break;
        }
        let images = serving(&engine);
        let journal = engine.journal.borrow().join("\n");
        assert!(
            images == ["app:1", "app:1"] || images == ["app:2", "app:2"],
            "after change {step}: {images:?}\n{journal}"
        );
        engine.fails_at.set(None);
        assert_eq!(up(&engine, &after()).await, Outcome::Done, "the run after a failure at change {step}");
        assert_eq!(serving(&engine), ["app:2", "app:2"]);
        assert!(is_as_asked(&engine, &after()).await, "after a failure at change {step}");
    }
}

/// The engine goes away for good in the middle, so that nothing can be put back.
#[tokio::test(start_paused = true)]
async fn an_engine_that_is_lost_at_every_step_leaves_what_the_next_run_makes_good() {
    for step in 0.. {
        let engine = engine();
        assert_eq!(up(&engine, &before()).await, Outcome::Done);
        engine.lost_after(step);
        let outcome = up(&engine, &after()).await;
        engine.found_again();
        if outcome == Outcome::Done {
            assert!(step > 12, "only {step} changes were made");
            break;
        }
        assert!(!serving(&engine).is_empty(), "nothing serves after change {step}");
        assert_eq!(up(&engine, &after()).await, Outcome::Done, "the run after the engine was lost at change {step}");
        assert_eq!(serving(&engine), ["app:2", "app:2"]);
        assert!(is_as_asked(&engine, &after()).await, "after the engine was lost at change {step}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_that_never_gets_ready_is_put_away() {
    let engine = engine();
    assert_eq!(up(&engine, &before()).await, Outcome::Done);
    engine.sick_images.borrow_mut().insert("app:2".into());
    let Outcome::Failed(error) = up(&engine, &after()).await else { panic!("it must not become ready") };
    assert!(error.message.contains("is not ready"), "{error}");
    assert_eq!(serving(&engine), ["app:1", "app:1"]);
    assert_eq!(engine.containers.borrow().len(), 3, "the failed ones are put away");
    assert!(is_as_asked(&engine, &before()).await);
}

#[tokio::test(start_paused = true)]
async fn a_release_that_does_worse_is_put_away() {
    let engine = engine();
    assert_eq!(up(&engine, &before()).await, Outcome::Done);
    engine.bad_releases.borrow_mut().insert("2".into());
    let Outcome::Failed(error) = up(&engine, &after()).await else { panic!("it must be taken back") };
    assert_eq!(error.message, "release `2` of service `app` does worse");
    assert_eq!(serving(&engine), ["app:1", "app:1"]);
    assert!(is_as_asked(&engine, &before()).await);
}

#[tokio::test(start_paused = true)]
async fn a_person_who_stops_it_while_it_waits_gets_the_old_one() {
    let engine = engine();
    assert_eq!(up(&engine, &before()).await, Outcome::Done);
    engine.sick_images.borrow_mut().insert("app:2".into());
    let stack = after();
    let plan = plan_up(&stack, &observe(&engine, &stack).await.unwrap(), &UpOptions::default()).unwrap();
    let (sender, stop) = watch::channel(false);
    let (sink, nothing) = (Sink::silent(&plan), Default::default());
    let execution = Execution { engine: &engine, stack: &stack, environment: &nothing, sink: &sink, stop };
    let press = async {
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        sender.send_replace(true);
    };
    let (outcome, ()) = tokio::join!(execution.run(&plan), press);
    assert_eq!(outcome, Outcome::Interrupted);
    assert_eq!(serving(&engine), ["app:1", "app:1"]);
    assert!(is_as_asked(&engine, &before()).await);
}

/// One replica that writes to a volume: the old one ends first, and whatever fails, one of the two serves.
#[tokio::test(start_paused = true)]
async fn one_that_holds_state_is_never_there_twice_and_never_gone() {
    let alone = BEHIND
        .replace("    environment: {LEVEL: info}", "    volumes: [data:/data]\n    environment: {LEVEL: info}")
        .replace("replicas: 2", "replicas: 1")
        + "volumes: {data: {}}\n";
    let (before, after) = (stack(&alone), stack(&alone.replace("app:1", "app:2")));
    for step in 0.. {
        let engine = engine();
        assert_eq!(up(&engine, &before).await, Outcome::Done);
        engine.fail_after(step);
        let outcome = up(&engine, &after).await;
        let running = |engine: &MemoryEngine| {
            let containers = engine.containers.borrow();
            let is_app = |container: &&crate::engine::memory::MemoryContainer| container.spec.service == "app";
            containers.values().filter(is_app).filter(|container| container.state == State::Running).count()
        };
        assert_eq!(running(&engine), 1, "after change {step}: {}", engine.journal.borrow().join("\n"));
        assert_eq!(serving(&engine).len(), 1, "after change {step}: {}", engine.journal.borrow().join("\n"));
        if outcome == Outcome::Done {
            assert!(step > 8, "only {step} changes were made to fail");
            break;
        }
        engine.fails_at.set(None);
        assert_eq!(up(&engine, &after).await, Outcome::Done, "the run after a failure at change {step}");
        let journal = engine.journal.borrow().join("\n");
        assert_eq!(serving(&engine), ["app:2"], "after a failure at change {step}: {journal}");
        assert!(is_as_asked(&engine, &after).await, "after a failure at change {step}");
    }
}
