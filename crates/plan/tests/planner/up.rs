//! From nothing, from everything, and from what a bad day left.

use insta::assert_snapshot;
use mainstay_plan::labels;
use mainstay_plan::observed::{Health, Observed, ObservedNetwork, State};
use mainstay_plan::planner::{UpOptions, plan_up};

use crate::support::{SHOP, all_up, find, images_only, plan, plan_with, stack};

#[test]
fn a_bare_engine_gets_everything_in_order() {
    assert_snapshot!(plan(&stack(SHOP), &Observed::default()));
}

#[test]
fn nothing_to_do_when_all_is_up() {
    let stack = stack(SHOP);
    assert_snapshot!(plan(&stack, &all_up(&stack)), @"shop: nothing to do");
}

#[test]
fn images_come_before_everything_else() {
    let stack = stack(SHOP);
    let plan = plan_up(&stack, &Observed::default(), &UpOptions::default()).unwrap();
    let images: Vec<usize> = (0..plan.steps.len()).filter(|i| plan.steps[*i].step.verb() == "pull image").collect();
    for (index, planned) in plan.steps.iter().enumerate().filter(|(index, _)| !images.contains(index)) {
        let waits = |mut ids: Vec<usize>| {
            let mut seen = ids.clone();
            while let Some(id) = ids.pop() {
                ids.extend(plan.steps[id].after.iter().map(|id| id.0));
                seen.push(id);
            }
            seen
        };
        let before = waits(planned.after.iter().map(|id| id.0).collect());
        assert!(images.iter().all(|image| before.contains(image)), "step {index} does not wait for the images");
    }
}

#[test]
fn a_stopped_container_is_started_and_a_missing_one_is_made() {
    let stack = stack(SHOP);
    let mut observed = all_up(&stack);
    find(&mut observed, "shop-db-1").state = State::Exited { code: 137 };
    observed.containers.retain(|container| container.name != "shop-app-1");
    assert_snapshot!(plan(&stack, &observed));
}

#[test]
fn a_frozen_container_is_thawed() {
    let stack = stack(SHOP);
    let mut observed = all_up(&stack);
    find(&mut observed, "shop-app-1").state = State::Paused;
    assert_snapshot!(plan(&stack, &observed), @"
    shop: 2 steps, no downtime
      1. unpause container shop-app-1: it is paused
      2. wait for shop-app-1 to be ready, 60 s at most [after 1]
    ");
}

#[test]
fn a_failed_migration_runs_again() {
    let stack = stack(SHOP);
    let mut observed = all_up(&stack);
    find(&mut observed, "shop-migrate-1").state = State::Exited { code: 1 };
    assert_snapshot!(plan(&stack, &observed), @"
    shop: 2 steps, no downtime
      1. start container shop-migrate-1: it ended with exit code 1
      2. wait for shop-migrate-1 to complete, 3600 s at most [after 1]
    ");
}

#[test]
fn an_unhealthy_container_is_waited_for() {
    let stack = stack(SHOP);
    let mut observed = all_up(&stack);
    find(&mut observed, "shop-app-1").health = Health::Unhealthy;
    assert_snapshot!(plan(&stack, &observed), @"
    shop: 1 step, no downtime
      1. wait for shop-app-1 to be ready, 60 s at most: it runs, and is not ready
    ");
}

#[test]
fn orphans_are_named_and_removed_only_when_asked() {
    let stack = stack(SHOP);
    let mut observed = all_up(&stack);
    let mut orphan = observed.containers[0].clone();
    orphan.name = "shop-cache-1".into();
    orphan.service = "cache".into();
    observed.containers.push(orphan);
    assert_snapshot!(plan(&stack, &observed), @"
    shop: nothing to do
    warning: container `shop-cache-1` belongs to service `cache`, which the file does not have; `up --remove-orphans` removes it
    ");
    let options = UpOptions { remove_orphans: true, ..Default::default() };
    assert_snapshot!(plan_with(&stack, &observed, &options), @"
    shop: 2 steps, interrupts cache
      1. stop container shop-cache-1: the file has no such service
      2. remove container shop-cache-1: the file has no such service [after 1]
    ");
}

#[test]
fn a_service_of_an_inactive_profile_is_no_orphan() {
    let mut stack = stack(SHOP);
    let mut observed = all_up(&stack);
    find(&mut observed, "shop-migrate-1").state = State::Running;
    let app = stack.services.shift_remove("app").unwrap();
    stack.inactive.push(app.name);
    assert_snapshot!(plan(&stack, &observed), @"shop: nothing to do");
}

#[test]
fn a_container_that_was_stopped_is_no_completed_one() {
    let stack = stack(
        "{name: x, services: {web: {image: i:1, healthcheck: {test: x}}, job: {image: i:1, restart: on-failure}}}",
    );
    let mut observed = all_up(&stack);
    find(&mut observed, "x-web-1").state = State::Exited { code: 0 };
    find(&mut observed, "x-job-1").state = State::Exited { code: 0 };
    let text = plan(&stack, &observed);
    assert!(text.contains("start container x-web-1: it ended with exit code 0"), "{text}");
    assert!(!text.contains("x-job-1"), "an end without an error is what on-failure waits for: {text}");
}

#[test]
fn a_port_cannot_be_shared_by_replicas() {
    let stack = stack("{name: x, services: {web: {image: i:1, scale: 2, ports: ['80:80']}}}");
    assert_snapshot!(plan(&stack, &images_only(&stack)), @r"
    error: service `web` has 2 replicas, and one port 80 of the host
    hint: only one container can hold it: ask for one replica, or take the port's number on the host away
    ");
}

#[test]
fn a_lost_store_is_not_replaced_by_other_passwords() {
    let stack = stack(SHOP);
    let mut observed = all_up(&stack);
    observed.volumes.remove("shop_mainstay-store");
    let text = plan(&stack, &observed);
    assert!(text.starts_with("error: the generated secret `password` is lost"), "{text}");
    observed.volumes.clear();
    observed.containers.clear();
    observed.store_ready = false;
    assert!(plan(&stack, &observed).contains("store secret password"), "without data there is nothing to lock out of");
}

#[test]
fn what_belongs_to_another_project_is_left_alone() {
    let stack = stack(SHOP);
    let mut observed = images_only(&stack);
    let labels = [(labels::PROJECT.to_owned(), "other".to_owned())].into();
    observed.networks.insert("shop_inner".into(), ObservedNetwork { labels, ..Default::default() });
    assert_snapshot!(plan(&stack, &observed), @r"
    error: network `shop_inner` is there already, and is not of project `shop`
    hint: mark it `external: true` to use it, or give it another `name`
    ");
    let mut observed = images_only(&stack);
    observed.foreign_names.push("shop-db-1".into());
    assert_snapshot!(plan(&stack, &observed), @r"
    error: a container named `shop-db-1` is there already, and is not of project `shop`
    hint: remove it with `docker rm shop-db-1`, or give this project another name with `-p`
    ");
}

#[test]
fn a_wait_that_cannot_end_is_refused() {
    let stack = stack(
        "{name: x, services: {a: {image: i:1, healthcheck: {disable: true}}, b: {image: i:1, depends_on: {a: {condition: service_healthy}}}}}",
    );
    assert_snapshot!(plan(&stack, &images_only(&stack)), @r"
    error: service `b` waits for `a` to be healthy, and `a` has no health check
    hint: give `a` a `healthcheck`, or wait with `condition: service_started`
    ");
}

#[test]
fn a_missing_image_that_may_not_be_pulled_is_refused() {
    let stack = stack("{name: x, services: {a: {image: i, pull_policy: never}}}");
    assert_snapshot!(plan(&stack, &Observed::default()), @r"
    error: service `a`: the engine has no image `i:latest`, and `pull_policy: never` forbids to pull it
    hint: load or build the image, or take `pull_policy` away
    ");
}

#[test]
fn the_same_two_give_the_same_plan() {
    let stack = stack(SHOP);
    assert_eq!(plan(&stack, &images_only(&stack)), plan(&stack, &images_only(&stack)));
}
