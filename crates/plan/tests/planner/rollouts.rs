//! Services behind an edge: the new beside the old, one moment of change, and nothing retired before.

use insta::assert_snapshot;
use mainstay_plan::observed::{Observed, State};
use mainstay_plan::planner::UpOptions;
use mainstay_plan::spec::ContainerSpec;
use mainstay_plan::stack::Stack;

use crate::support::{BEHIND, all_up, find, images_only, plan, plan_with, route, running, stack};

/// All of it runs, and the edge knows it.
fn up(stack: &Stack) -> Observed {
    let mut observed = all_up(stack);
    route(&mut observed, "edge", "app", 8080);
    observed
}

fn changed() -> Stack {
    stack(&BEHIND.replace("LEVEL: info", "LEVEL: debug"))
}

#[test]
fn from_nothing_the_edge_comes_first_and_learns_of_its_targets() {
    let stack = stack(BEHIND);
    let mut observed = images_only(&stack);
    observed.next_release = 1;
    assert_snapshot!(plan(&stack, &observed));
}

#[test]
fn where_all_is_as_asked_nothing_is_done() {
    let stack = stack(BEHIND);
    assert_snapshot!(plan(&stack, &up(&stack)), @"shop: nothing to do");
}

#[test]
fn a_release_is_tried_then_routed_to_and_the_old_one_retired() {
    assert_snapshot!(plan(&changed(), &up(&stack(BEHIND))));
}

#[test]
fn without_a_window_nothing_is_tried() {
    let options = UpOptions { watch_ms: Some(0), ..UpOptions::default() };
    let text = plan_with(&changed(), &up(&stack(BEHIND)), &options);
    assert!(!text.contains("try") && text.contains("route requests of app to release 2"), "{text}");
}

#[test]
fn more_replicas_are_of_the_release_that_runs() {
    let more = stack(&BEHIND.replace("replicas: 2", "replicas: 3"));
    assert_snapshot!(plan(&more, &up(&stack(BEHIND))));
}

#[test]
fn fewer_replicas_end_their_requests_first() {
    let fewer = stack(&BEHIND.replace("replicas: 2", "replicas: 1"));
    assert_snapshot!(plan(&fewer, &up(&stack(BEHIND))));
}

#[test]
fn a_replica_that_ended_is_started_as_it_is() {
    let stack = stack(BEHIND);
    let mut observed = up(&stack);
    find(&mut observed, "shop-app-2").state = State::Exited { code: 137 };
    assert_snapshot!(plan(&stack, &observed));
}

#[test]
fn an_edge_that_forgot_is_told_again() {
    let stack = stack(BEHIND);
    let mut observed = up(&stack);
    observed.edges.insert("edge".into(), Default::default());
    assert_snapshot!(plan(&stack, &observed));
}

#[test]
fn an_edge_itself_starts_first_since_it_hands_over_what_it_holds() {
    let after =
        stack(&BEHIND.replace("[edge:/var/lib/edge]\n", "[edge:/var/lib/edge]\n    environment: {EDGE_HELD: '5'}\n"));
    assert_snapshot!(plan(&after, &up(&stack(BEHIND))));
}

#[test]
fn a_new_edge_leaves_the_holder_of_its_network_where_it_is() {
    let before = stack(BEHIND);
    let after = stack(&BEHIND.replace("edge:1\n", "edge:2\n"));
    let mut observed = up(&before);
    observed.images.extend(all_up(&after).images);
    let text = plan(&after, &observed);
    assert!(text.contains("shop-edge-1-next") && !text.contains("shop-holder-1"), "{text}");
    assert!(text.contains("no downtime"), "{text}");
    let moved = stack(&BEHIND.replace("8080:8080", "8081:8080"));
    assert!(plan(&moved, &up(&before)).contains("create container shop-holder-1-next"), "a port is another matter");
}

/// An interrupted run had made the new ones, and its switch may have been made.
#[test]
fn what_was_begun_is_ended_without_a_second_start() {
    let after = changed();
    let mut observed = up(&stack(BEHIND));
    for number in 1..=2 {
        let mut next = running(&after, &after.services["app"], number);
        next.name += "-next";
        next.release = Some(2);
        observed.containers.push(next);
    }
    route(&mut observed, "edge", "app", 8080);
    assert_snapshot!(plan(&after, &observed));
}

/// Requests may go to what an interrupted run left over, so that it stays until another release has them.
#[test]
fn a_third_release_over_an_interrupted_second_takes_nothing_away_before_it_is_ready() {
    let second = changed();
    let third = stack(&BEHIND.replace("LEVEL: info", "LEVEL: trace"));
    let mut observed = up(&stack(BEHIND));
    let mut next = running(&second, &second.services["app"], 1);
    next.name += "-next";
    next.release = Some(2);
    observed.containers.push(next);
    observed.next_release = 3;
    let text = plan(&third, &observed);
    let at = |what: &str| text.find(what).unwrap_or_else(|| panic!("{what} in {text}"));
    assert!(at("rename container shop-app-1-next to shop-app-1-old1") < at("create container shop-app-1-next"));
    assert!(at("retire targets of app other than app-1-r3, app-2-r3") < at("stop container shop-app-1-old1"));
    assert!(at("route requests of app to release 3") < at("stop container shop-app-1:"));
}

#[test]
fn two_services_change_sides_in_one_moment() {
    let two = BEHIND.replace(
        "networks: {front: {}}",
        "  web:
    image: shop:1
    x-mainstay: {edge: edge, port: 80}
    networks: [front]
    environment: {LEVEL: info}
networks: {front: {}}",
    );
    let before = stack(&two);
    let mut observed = up(&before);
    route(&mut observed, "edge", "web", 80);
    let text = plan(&stack(&two.replace("LEVEL: info", "LEVEL: debug")), &observed);
    assert!(text.contains("try release 2 of app and release 2 of web for 10 s"), "{text}");
    assert!(text.contains("route requests of app to release 2 and requests of web to release 2: all in one moment"));
}

#[test]
fn only_what_was_named_is_touched() {
    let text = BEHIND.replace("shop:1\n", "shop:2\n").replace("edge:1\n", "edge:2\n");
    let after = stack(&text);
    let mut observed = up(&stack(BEHIND));
    observed.images.extend(all_up(&after).images);
    let options = UpOptions { only: Some(["app".to_owned()].into()), ..UpOptions::default() };
    let text = plan_with(&after, &observed, &options);
    assert!(text.contains("shop-app-1-next") && !text.contains("container shop-edge"), "{text}");
}

#[test]
fn to_go_back_is_a_release_too() {
    let (before, after) = (stack(BEHIND), changed());
    let pinned = ContainerSpec::of(&before, &before.services["app"], 1);
    let options = UpOptions {
        only: Some(["app".to_owned()].into()),
        pinned: [("app".to_owned(), pinned)].into(),
        ..UpOptions::default()
    };
    let text = plan_with(&after, &up(&after), &options);
    assert!(text.contains("environment.LEVEL: debug -> info") && text.contains("route requests of app to release 2"));
    assert_eq!(plan_with(&after, &up(&before), &options), "shop: nothing to do\n");
}

#[test]
fn what_is_undone_goes_back_before_it_goes_away() {
    let plan = mainstay_plan::planner::plan_up(&changed(), &up(&stack(BEHIND)), &UpOptions::default()).unwrap();
    let undone = |verb: &str| {
        let planned = plan.steps.iter().find(|planned| planned.step.verb() == verb).unwrap();
        planned.cleanup.iter().map(mainstay_plan::plan::Step::title).collect::<Vec<_>>()
    };
    let removal = [
        "retire targets of app other than app-1-r1, app-2-r1",
        "stop container shop-app-1-next",
        "remove container shop-app-1-next",
        "stop container shop-app-2-next",
        "remove container shop-app-2-next",
    ];
    assert_eq!(undone("wait for"), removal);
    for verb in ["try", "route"] {
        assert_eq!(undone(verb)[0], "route requests of app to release 1");
        assert_eq!(undone(verb)[1..], removal);
    }
    assert!(undone("retire targets").is_empty() && undone("stop container").is_empty(), "after the switch it is done");
}

/// Two programs on one file destroy it; people wait for a moment, and none gets an error.
#[test]
fn one_replica_that_holds_state_ends_first_while_requests_wait() {
    let alone = BEHIND
        .replace("    environment: {LEVEL: info}", "    volumes: [edge:/data]\n    environment: {LEVEL: info}")
        .replace("replicas: 2", "replicas: 1");
    let before = stack(&alone);
    let mut observed = all_up(&before);
    route(&mut observed, "edge", "app", 8080);
    let after = stack(&alone.replace("LEVEL: info", "LEVEL: debug"));
    assert_snapshot!(plan(&after, &observed));
    let plan = mainstay_plan::planner::plan_up(&after, &observed, &UpOptions::default()).unwrap();
    let wait = plan.steps.iter().find(|planned| planned.step.verb() == "wait for").unwrap();
    let undone: Vec<String> = wait.cleanup.iter().map(mainstay_plan::plan::Step::title).collect();
    let expected = [
        "stop container shop-app-1-next",
        "remove container shop-app-1-next",
        "start container shop-app-1",
        "add targets app-1-r1 to shop-edge-1",
        "route requests of app to release 1",
    ];
    assert_eq!(undone, expected);
}

#[test]
fn one_that_holds_state_may_lose_a_second_that_should_not_be_there() {
    let alone =
        BEHIND.replace("    environment: {LEVEL: info}", "    volumes: [edge:/data]\n    environment: {LEVEL: info}");
    let two = stack(&alone);
    let one = stack(&alone.replace("replicas: 2", "replicas: 1"));
    let mut observed = all_up(&two);
    route(&mut observed, "edge", "app", 8080);
    let text = plan(&one, &observed);
    assert!(text.contains("stop container shop-app-2") && !text.contains("shop-app-1:"), "{text}");
}

#[test]
fn an_edge_forgets_a_service_that_is_not_behind_it_any_more() {
    let before = stack(BEHIND);
    let after = stack(&BEHIND.replace("    x-mainstay: {edge: edge, port: 8080}\n", "").replace("replicas: 2, ", ""));
    let observed = up(&before);
    let text = plan(&after, &observed);
    assert!(text.contains("retire targets of app: the file has no such service behind it"), "{text}");
}
