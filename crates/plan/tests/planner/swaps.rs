//! Replacing what runs: only on a real difference, and with the least that people notice.

use insta::assert_snapshot;
use mainstay_plan::observed::State;
use mainstay_plan::planner::{UpOptions, plan_up};

use crate::support::{SHOP, all_up, find, plan, running, stack};

#[test]
fn a_stateless_service_starts_first() {
    let before = stack(SHOP);
    let after = stack(&SHOP.replace("LEVEL: info", "LEVEL: debug"));
    assert_snapshot!(plan(&after, &all_up(&before)), @r"
    shop: 6 steps, no downtime
      1. create container shop-app-1-next: its configuration changed
           environment.LEVEL: info -> debug
      2. start container shop-app-1-next: before the old one stops [after 1]
      3. wait for shop-app-1-next to be ready, 60 s at most [after 2]
      4. stop container shop-app-1: the new one is ready [after 3]
      5. remove container shop-app-1: the new one is in its place [after 4]
      6. rename container shop-app-1-next to shop-app-1 [after 5]
    ");
}

#[test]
fn a_service_with_data_stops_first_and_says_why() {
    let before = stack(SHOP);
    let after = stack(&SHOP.replace("postgres:17", "postgres:17.6"));
    let mut observed = all_up(&before);
    observed.images.extend(all_up(&after).images);
    assert_snapshot!(plan(&after, &observed));
}

#[test]
fn start_first_with_data_is_not_believed() {
    let text = SHOP.replace("secrets: [password]", "deploy: {update_config: {order: start-first}}");
    let before = stack(&text);
    let after = stack(&text.replace("pg_isready", "ready"));
    let text = plan(&after, &all_up(&before));
    assert!(
        text.contains("warning: service `db` asks for `order: start-first`, and stops first: it writes to volume data")
    );
    assert!(text.contains("interrupts db"));
}

#[test]
fn values_that_may_be_secret_are_not_shown() {
    let before = stack(&SHOP.replace("LEVEL: info", "API_TOKEN: one"));
    let after = stack(&SHOP.replace("LEVEL: info", "API_TOKEN: two"));
    let text = plan(&after, &all_up(&before));
    assert!(text.contains("environment.API_TOKEN: (hidden) -> (hidden)"), "{text}");
    assert!(!text.contains("two"), "{text}");
}

#[test]
fn what_only_guides_the_planner_replaces_nothing() {
    let before = stack(SHOP);
    let text = SHOP.replace(
        "image: shop:1\n    networks: [inner, front]",
        "image: shop:1\n    deploy: {replicas: 1, update_config: {monitor: 9s}}\n    networks: [inner, front]",
    );
    assert_snapshot!(plan(&stack(&text), &all_up(&before)), @"shop: nothing to do");
}

#[test]
fn an_image_rebuilt_under_its_tag_replaces_its_containers() {
    let stack = stack(SHOP);
    let mut observed = all_up(&stack);
    observed.images.get_mut("shop:1").unwrap().id = "sha256:new".into();
    let text = plan(&stack, &observed);
    assert!(text.contains("create container shop-app-1-next: shop:1 is another image now"), "{text}");
    assert!(!text.contains("shop-db-1"), "{text}");
}

#[test]
fn an_edit_behind_our_back_is_seen() {
    let stack = stack(SHOP);
    let mut observed = all_up(&stack);
    find(&mut observed, "shop-app-1").limits.memory_bytes = 1 << 30;
    find(&mut observed, "shop-app-1").networks.pop();
    let text = plan(&stack, &observed);
    assert!(text.contains("it was changed behind our back\n       memory: 1073741824 -> 0\n       networks: shop_inner -> shop_front, shop_inner"), "{text}");
}

#[test]
fn a_container_of_docker_compose_is_taken_over() {
    let stack = stack(SHOP);
    let mut observed = all_up(&stack);
    let container = find(&mut observed, "shop-app-1");
    container.config_hash = None;
    container.spec = None;
    assert!(plan(&stack, &observed).contains("create container shop-app-1-next: it was not made by mainstay"));
}

#[test]
fn anonymous_volumes_go_over() {
    let before = stack(SHOP);
    let after = stack(&SHOP.replace("LEVEL: info", "LEVEL: debug"));
    let mut observed = all_up(&before);
    find(&mut observed, "shop-app-1").anonymous.insert("/cache".into(), "0f".repeat(32));
    let made = plan_up(&after, &observed, &UpOptions::default()).unwrap();
    let carried = made.steps.iter().find_map(|planned| match &planned.step {
        mainstay_plan::plan::Step::CreateContainer { carry, .. } => Some(carry.clone()),
        _ => None,
    });
    assert_eq!(carried.unwrap().get("/cache"), Some(&"0f".repeat(32)));
    assert!(made.to_string().contains("it stops first: it keeps data in an anonymous volume at /cache"));
}

#[test]
fn an_interrupted_swap_is_finished() {
    let before = stack(SHOP);
    let after = stack(&SHOP.replace("LEVEL: info", "LEVEL: debug"));
    let mut observed = all_up(&before);
    let mut next = running(&after, &after.services["app"], 1);
    next.name = "shop-app-1-next".into();
    observed.containers.push(next.clone());
    assert_snapshot!(plan(&after, &observed), @r"
    shop: 3 steps, no downtime
      1. stop container shop-app-1: an interrupted run did not come to it
      2. remove container shop-app-1: an interrupted run did not come to it [after 1]
      3. rename container shop-app-1-next to shop-app-1: an interrupted run did not come to it [after 2]
    ");
    observed.containers.retain(|container| container.name != "shop-app-1");
    assert_snapshot!(plan(&after, &observed), @r"
    shop: 1 step, no downtime
      1. rename container shop-app-1-next to shop-app-1: an interrupted run did not come to it
    ");
}

#[test]
fn what_an_interrupted_run_left_over_is_removed() {
    let before = stack(SHOP);
    let mut observed = all_up(&before);
    let mut next = observed.containers[2].clone();
    next.name = "shop-app-1-next".into();
    next.state = State::Created;
    next.config_hash = Some("v1:other".into());
    observed.containers.push(next);
    assert_snapshot!(plan(&before, &observed), @r"
    shop: 1 step, no downtime
      1. remove container shop-app-1-next: an interrupted run left it over
    ");
}

#[test]
fn dependents_with_restart_go_down_and_up_with_it() {
    let text = SHOP.replace(
        "db: {condition: service_healthy}\n      migrate",
        "db: {condition: service_healthy, restart: true}\n      migrate",
    );
    let before = stack(&text);
    let after = stack(&text.replace("pg_isready", "ready"));
    let text = plan(&after, &all_up(&before));
    assert!(text.contains("stop container shop-app-1: db, which it depends on, is replaced"), "{text}");
}

#[test]
fn a_network_made_anew_takes_its_containers_with_it() {
    let before = stack(SHOP);
    let after = stack(&SHOP.replace("front: {}", "front: {driver_opts: {a: b}}"));
    assert_snapshot!(plan(&after, &all_up(&before)));
}

#[test]
fn scaling_adds_and_removes_from_the_end() {
    let one = stack(SHOP);
    let two = stack(&SHOP.replace("environment: {LEVEL: info}", "environment: {LEVEL: info}\n    scale: 2"));
    let more = plan(&two, &all_up(&one));
    assert!(more.contains("create container shop-app-2: it is missing") && !more.contains("shop-app-1:"), "{more}");
    assert_snapshot!(plan(&one, &all_up(&two)), @r"
    shop: 2 steps, no downtime
      1. stop container shop-app-2: 1 replicas are asked for
      2. remove container shop-app-2: 1 replicas are asked for [after 1]
    ");
}

#[test]
fn the_order_of_labels_redefines_no_network() {
    let with = |labels: &str| stack(&SHOP.replace("front: {}", &format!("front: {{labels: {labels}}}")));
    let before = with("{a: x, b: y}");
    assert_snapshot!(plan(&with("{b: y, a: x}"), &all_up(&before)), @"shop: nothing to do");
}

#[test]
fn a_network_with_a_stranger_on_it_is_not_made_anew() {
    let before = stack(SHOP);
    let after = stack(&SHOP.replace("front: {}", "front: {driver_opts: {a: b}}"));
    let mut observed = all_up(&before);
    observed.networks.get_mut("shop_front").unwrap().attached = vec!["shop-app-1".into(), "somebody".into()];
    assert_snapshot!(plan(&after, &observed), @r"
    error: network `shop_front` is to be made anew, and container `somebody` is on it, which this stack does not ask for
    hint: stop it first: `docker stop somebody`
    ");
}

#[test]
fn anonymous_volumes_go_over_when_a_network_is_made_anew() {
    let before = stack(SHOP);
    let after = stack(&SHOP.replace("front: {}", "front: {driver_opts: {a: b}}"));
    let mut observed = all_up(&before);
    find(&mut observed, "shop-app-1").anonymous.insert("/cache".into(), "0f".repeat(32));
    let made = plan_up(&after, &observed, &UpOptions::default()).unwrap();
    let carries = |planned: &mainstay_plan::plan::PlannedStep| match &planned.step {
        mainstay_plan::plan::Step::CreateContainer { carry, .. } => carry.contains_key("/cache"),
        _ => false,
    };
    assert!(made.steps.iter().any(carries));
}

#[test]
fn a_stopped_container_stays_until_the_new_one_is_made() {
    let before = stack(SHOP);
    let after = stack(&SHOP.replace("LEVEL: info", "LEVEL: debug"));
    let mut observed = all_up(&before);
    find(&mut observed, "shop-app-1").state = State::Exited { code: 1 };
    assert_snapshot!(plan(&after, &observed), @r"
    shop: 5 steps, no downtime
      1. create container shop-app-1-next: its configuration changed
           environment.LEVEL: info -> debug
      2. remove container shop-app-1: the new one is in its place [after 1]
      3. rename container shop-app-1-next to shop-app-1 [after 2]
      4. start container shop-app-1 [after 3]
      5. wait for shop-app-1 to be ready, 60 s at most [after 4]
    ");
}

#[test]
fn a_container_on_a_network_that_was_made_anew_is_replaced() {
    let stack = stack(SHOP);
    let mut observed = all_up(&stack);
    find(&mut observed, "shop-app-1").network_ids.insert("shop_front".into(), "gone".into());
    let text = plan(&stack, &observed);
    assert!(
        text.contains("create container shop-app-1-next: network shop_front was made anew, and it is on the old one"),
        "{text}"
    );
}

#[test]
fn a_first_environment_shows_no_password() {
    let before = stack(&SHOP.replace("    environment: {LEVEL: info}\n", ""));
    let after = stack(&SHOP.replace("LEVEL: info", "DB_PASSWORD: hunter2, URL: 'postgres://u:hunter3@db/x'"));
    let text = plan(&after, &all_up(&before));
    assert!(text.contains("environment.DB_PASSWORD: (not set) -> (hidden)"), "{text}");
    assert!(!text.contains("hunter"), "{text}");
    let made = plan_up(&after, &all_up(&before), &UpOptions::default()).unwrap();
    assert!(!mainstay_plan::redact::json(&made).to_string().contains("hunter"));
}
