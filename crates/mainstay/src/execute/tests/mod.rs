//! The executor on the in-memory engine: a good day, and a failure at every step in turn.

mod rollouts;

use std::collections::BTreeMap;

use mainstay_plan::compose::{Input, SourceFile, load};
use mainstay_plan::observed::State;
use mainstay_plan::planner::{DownOptions, UpOptions, plan_down, plan_up};
use mainstay_plan::stack::Stack;
use tokio::sync::watch;

use super::{Execution, Outcome};
use crate::engine::Engine as _;
use crate::engine::memory::MemoryEngine;
use crate::observe::observe;
use crate::report::Sink;

const SHOP: &str = "
name: shop
services:
  db:
    image: db:1
    volumes: [data:/data]
    networks: [inner]
    secrets: [password]
    configs: [settings]
    healthcheck: {test: [CMD, ready]}
  migrate:
    image: app:1
    networks: [inner]
    depends_on: {db: {condition: service_healthy}}
  app:
    image: app:1
    networks: [inner]
    environment: {LEVEL: info}
    healthcheck: {test: [CMD, ready], interval: 1s, timeout: 1s}
    depends_on: {db: {condition: service_healthy}, migrate: {condition: service_completed_successfully}}
networks: {inner: {internal: true}}
volumes: {data: {}}
secrets: {password: {x-mainstay: {generate: 32}}}
configs: {settings: {content: 'a = 1'}}
";

fn stack(yaml: &str) -> Stack {
    let input = Input {
        files: vec![SourceFile { path: "compose.yaml".into(), text: yaml.into() }],
        environment: BTreeMap::new(),
        project_dir: "/srv/shop".into(),
        project_name: None,
        profiles: Vec::new(),
        read: &|_| Ok(None),
    };
    let mut stack = load(&input).unwrap().stack;
    for source in stack.configs.values_mut() {
        use sha2::Digest as _;
        source.digest = mainstay_plan::spec::hex(&sha2::Sha256::digest(b"a = 1"));
    }
    stack
}

fn engine() -> MemoryEngine {
    let engine = MemoryEngine::default();
    engine.one_shots.borrow_mut().insert("migrate".into());
    engine
}

async fn up(engine: &MemoryEngine, stack: &Stack) -> Outcome {
    let observed = observe(engine, stack).await.unwrap();
    let plan = plan_up(stack, &observed, &UpOptions::default()).unwrap();
    let (_sender, stop) = watch::channel(false);
    let sink = Sink::silent(&plan);
    Execution { engine, stack, environment: &BTreeMap::new(), sink: &sink, stop }.run(&plan).await
}

async fn is_as_asked(engine: &MemoryEngine, stack: &Stack) -> bool {
    let observed = observe(engine, stack).await.unwrap();
    plan_up(stack, &observed, &UpOptions::default()).unwrap().is_empty()
}

#[tokio::test(start_paused = true)]
async fn from_nothing_to_everything_and_then_nothing_to_do() {
    let (engine, stack) = (engine(), stack(SHOP));
    assert_eq!(up(&engine, &stack).await, Outcome::Done);
    assert!(is_as_asked(&engine, &stack).await);
    let before = engine.journal.borrow().len();
    assert_eq!(up(&engine, &stack).await, Outcome::Done);
    assert_eq!(engine.journal.borrow().len(), before, "the second run touched something");
}

#[tokio::test(start_paused = true)]
async fn a_failure_at_every_step_of_the_first_run_is_made_good_by_the_next() {
    let stack = stack(SHOP);
    let mut failures = 0;
    for step in 0.. {
        let engine = engine();
        engine.fail_after(step);
        if up(&engine, &stack).await == Outcome::Done {
            break;
        }
        failures += 1;
        engine.fails_at.set(None);
        assert_eq!(up(&engine, &stack).await, Outcome::Done, "the run after a failure at change {step}");
        assert!(is_as_asked(&engine, &stack).await, "after a failure at change {step}");
    }
    assert!(failures > 10, "only {failures} changes were made to fail");
}

#[tokio::test(start_paused = true)]
async fn a_failure_at_every_step_of_a_swap_leaves_one_that_runs() {
    let before = stack(SHOP);
    let after = stack(
        &SHOP
            .replace("LEVEL: info", "LEVEL: debug")
            .replace("test: [CMD, ready]}\n  migrate", "test: [CMD, really]}\n  migrate"),
    );
    for step in 0.. {
        let engine = engine();
        assert_eq!(up(&engine, &before).await, Outcome::Done);
        engine.fail_after(step);
        let outcome = up(&engine, &after).await;
        if outcome == Outcome::Done {
            assert!(step > 10, "only {step} changes were made to fail");
            break;
        }
        for service in ["db", "app"] {
            let names = [format!("shop-{service}-1"), format!("shop-{service}-1-next")];
            let runs = names.iter().any(|name| engine.state_of(name) == Some(State::Running));
            assert!(runs, "{service} is away after a failure at change {step}: {:?}", engine.journal.borrow());
        }
        engine.fails_at.set(None);
        assert_eq!(up(&engine, &after).await, Outcome::Done, "the run after a failure at change {step}");
        assert!(is_as_asked(&engine, &after).await, "after a failure at change {step}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_that_never_gets_ready_leaves_the_old_one_serving() {
    let before = stack(SHOP);
    let after = stack(&SHOP.replace(
        "image: app:1\n    networks: [inner]\n    environment",
        "image: app:2\n    networks: [inner]\n    environment",
    ));
    let engine = engine();
    assert_eq!(up(&engine, &before).await, Outcome::Done);
    engine.sick_images.borrow_mut().insert("app:2".into());
    let Outcome::Failed(error) = up(&engine, &after).await else { panic!("it must not become ready") };
    assert!(error.message.starts_with("container `shop-app-1-next` was not ready within 60 s"), "{error}");
    assert_eq!(engine.state_of("shop-app-1"), Some(State::Running));
    assert_eq!(engine.state_of("shop-app-1-next"), None, "the failed one is put away");
}

#[tokio::test(start_paused = true)]
async fn a_database_that_does_not_come_back_gives_way_to_the_old_one() {
    let before = stack(SHOP);
    let after = stack(&SHOP.replace("image: db:1", "image: db:2"));
    let engine = engine();
    assert_eq!(up(&engine, &before).await, Outcome::Done);
    engine.sick_images.borrow_mut().insert("db:2".into());
    assert!(matches!(up(&engine, &after).await, Outcome::Failed(_)));
    assert_eq!(engine.state_of("shop-db-1"), Some(State::Running));
    assert_eq!(engine.state_of("shop-db-1-next"), None);
}

#[tokio::test(start_paused = true)]
async fn a_person_who_stops_it_gets_the_old_one_back() {
    let before = stack(SHOP);
    let after = stack(&SHOP.replace("image: db:1", "image: db:2"));
    let engine = engine();
    assert_eq!(up(&engine, &before).await, Outcome::Done);
    engine.sick_images.borrow_mut().insert("db:2".into());
    let observed = observe(&engine, &after).await.unwrap();
    let plan = plan_up(&after, &observed, &UpOptions::default()).unwrap();
    let (sender, stop) = watch::channel(false);
    let nothing = BTreeMap::new();
    let sink = Sink::silent(&plan);
    let execution = Execution { engine: &engine, stack: &after, environment: &nothing, sink: &sink, stop };
    let press = async {
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        sender.send_replace(true);
    };
    let (outcome, ()) = tokio::join!(execution.run(&plan), press);
    assert_eq!(outcome, Outcome::Interrupted);
    assert_eq!(engine.state_of("shop-db-1"), Some(State::Running));
    assert_eq!(engine.state_of("shop-app-1"), Some(State::Running));
}

#[tokio::test(start_paused = true)]
async fn a_generated_secret_stays_what_it_is() {
    let (engine, stack) = (engine(), stack(SHOP));
    assert_eq!(up(&engine, &stack).await, Outcome::Done);
    let first = engine.read_stored("shop", "generated-password").await.unwrap().unwrap();
    assert_eq!(first.len(), 64, "32 bytes as hex");
    let down = plan_down(&stack, &observe(&engine, &stack).await.unwrap(), DownOptions::default());
    let (_sender, stop) = watch::channel(false);
    let sink = Sink::silent(&down);
    assert_eq!(
        Execution { engine: &engine, stack: &stack, environment: &BTreeMap::new(), sink: &sink, stop }.run(&down).await,
        Outcome::Done
    );
    assert!(engine.containers.borrow().is_empty());
    assert_eq!(up(&engine, &stack).await, Outcome::Done);
    assert_eq!(engine.read_stored("shop", "generated-password").await.unwrap().unwrap(), first);
}
