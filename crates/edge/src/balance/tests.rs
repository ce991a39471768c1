//! The promises of the balancer, over every order of events.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const ONE_AND_ONE: Hysteresis = Hysteresis { rise: 1, fall: 1 };

fn add(name: &str, release: &str) -> Change {
    Change::Add { service: "app".into(), name: name.into(), port: 8080, release: release.into() }
}

fn route(shares: &[(&str, u32)]) -> Change {
    let shares = shares.iter().map(|(release, share)| ((*release).to_owned(), *share)).collect();
    Change::Route { service: "app".into(), shares, force: false }
}

fn drain(name: &str) -> Change {
    Change::Drain { service: "app".into(), name: name.into() }
}

fn target(balancer: &Balancer, name: &str) -> Arc<Target> {
    let members = balancer.services().remove("app").map(|service| service.members).unwrap_or_default();
    members.into_iter().rev().find(|member| member.target.name == name).expect("there is such a target").target
}

/// A balancer of healthy targets, of which the first's release gets the requests.
fn healthy(targets: &[(&str, &str)]) -> Balancer {
    let balancer = Balancer::new(Services::new(), ONE_AND_ONE);
    for (name, release) in targets {
        let _ = balancer.apply(&[add(name, release)]).expect("it is added");
        let _ = balancer.learn(&target(&balancer, name), Finding::Ready);
    }
    let _ = balancer.apply(&[route(&[(targets[0].1, 1)])]).expect("it is routed to");
    balancer
}

fn claim(balancer: &Balancer, tried: &[Arc<Target>]) -> Option<Claim> {
    match balancer.claim("app", tried, |_| 0) {
        Choice::Claimed(claim) => Some(claim),
        Choice::Wait | Choice::Maintenance => None,
    }
}

fn name(claim: Option<&Claim>) -> Option<&str> {
    claim.map(|claim| claim.target().name.as_str())
}

#[test]
fn nothing_is_claimed_of_an_unknown_service_or_of_one_without_shares() {
    let balancer = Balancer::new(Services::new(), ONE_AND_ONE);
    assert!(claim(&balancer, &[]).is_none());
    let _ = balancer.apply(&[add("a", "1")]).expect("it is added");
    assert!(claim(&balancer, &[]).is_none());
}

#[test]
fn a_release_without_a_share_gets_nothing_until_it_is_routed_to() {
    let balancer = healthy(&[("a", "1"), ("b", "2")]);
    assert_eq!(name(claim(&balancer, &[]).as_ref()), Some("a"));
    let _ = balancer.apply(&[route(&[("2", 1)]), drain("a")]).expect("it is swapped");
    assert_eq!(name(claim(&balancer, &[]).as_ref()), Some("b"));
}

#[test]
fn what_was_tried_is_not_tried_again() {
    let balancer = healthy(&[("a", "1"), ("b", "1")]);
    let first = claim(&balancer, &[]).expect("one of the two");
    let second = claim(&balancer, &[Arc::clone(first.target())]).expect("the other");
    assert_ne!(first.target().name, second.target().name);
    let tried = [Arc::clone(first.target()), Arc::clone(second.target())];
    assert!(claim(&balancer, &tried).is_none());
}

#[test]
fn where_all_look_dead_they_are_tried_all_the_same() {
    let balancer = healthy(&[("a", "1"), ("b", "1")]);
    let _ = balancer.learn(&target(&balancer, "a"), Finding::Refused);
    assert_eq!(name(claim(&balancer, &[]).as_ref()), Some("b"));
    let _ = balancer.learn(&target(&balancer, "b"), Finding::Refused);
    assert!(claim(&balancer, &[]).is_some());
    let _ = balancer.apply(&[drain("a"), drain("b")]).expect("they drain");
    assert!(claim(&balancer, &[]).is_none(), "what drains gets nothing, whatever the others do");
}

#[test]
fn a_healthy_release_serves_for_one_that_is_not() {
    let balancer = healthy(&[("a", "1"), ("b", "2")]);
    let _ = balancer.apply(&[route(&[("1", 1), ("2", 1)])]).expect("both are routed to");
    let _ = balancer.learn(&target(&balancer, "a"), Finding::Refused);
    assert_eq!(name(claim(&balancer, &[]).as_ref()), Some("b"));
}

#[test]
fn held_requests_wait_until_released() {
    let balancer = healthy(&[("a", "1")]);
    let mut changes = balancer.changes();
    let _ = balancer.apply(&[Change::Hold { service: "app".into() }]).expect("it holds");
    assert!(claim(&balancer, &[]).is_none());
    assert!(changes.has_changed().expect("the balancer is there"));
    changes.mark_unchanged();
    let _ = balancer.apply(&[Change::Release { service: "app".into() }]).expect("it releases");
    assert!(changes.has_changed().expect("the balancer is there"));
    assert!(claim(&balancer, &[]).is_some());
}

#[test]
fn a_closed_service_is_closed_to_all_but_operators() {
    let balancer = healthy(&[("a", "1")]);
    let maintenance = |on| Change::Maintenance { service: "app".into(), on };
    // Also where requests wait: who is told that it takes long does not wait for it.
    let _ = balancer.apply(&[Change::Hold { service: "app".into() }, maintenance(true)]).expect("it closes");
    assert!(matches!(balancer.claim("app", &[], |_| 0), Choice::Maintenance));
    assert!(matches!(balancer.claim_in_maintenance("app", &[], |_| 0), Choice::Wait));
    let _ = balancer.apply(&[Change::Release { service: "app".into() }]).expect("it releases");
    assert!(matches!(balancer.claim_in_maintenance("app", &[], |_| 0), Choice::Claimed(_)));
    let _ = balancer.apply(&[maintenance(false)]).expect("it opens");
    assert!(claim(&balancer, &[]).is_some());
}

#[test]
fn several_changes_are_made_together_or_not_at_all() {
    let balancer = healthy(&[("a", "1")]);
    let refused = balancer.apply(&[add("b", "2"), drain("a"), route(&[("2", 1)])]).expect_err("2 is not ready");
    assert_eq!(refused, Refusal::NotReady { service: "app".into(), release: "2".into() });
    assert_eq!(name(claim(&balancer, &[]).as_ref()), Some("a"));
    assert_eq!(balancer.services()["app"].members.len(), 1);
}

#[test]
fn what_cannot_be_changed_is_refused() {
    let balancer = healthy(&[("a", "1")]);
    let refused = |change: Change| balancer.apply(&[change]).expect_err("it is refused").to_string();
    assert_eq!(refused(drain("b")).lines().next(), Some("service `app` has no target `b`"));
    assert_eq!(refused(add("a", "2")).lines().next(), Some("service `app` has another target `a` already"));
    assert_eq!(refused(route(&[("1", 0)])).lines().next(), Some("no release of service `app` would get requests"));
    let remove = Change::Remove { service: "app".into(), name: "a".into() };
    assert_eq!(refused(remove).lines().next(), Some("target `a` of service `app` does not drain"));
    let hold = Change::Hold { service: "web".into() };
    assert_eq!(refused(hold).lines().next(), Some("there is no service `web`"));
}

/// One thing that may happen.
#[derive(Debug, Clone)]
enum Happening {
    Request,
    RequestEnds(usize),
    Learn(usize, Finding),
    Drain(usize),
    Swap(usize),
}

fn happening() -> impl Strategy<Value = Happening> {
    let finding = prop_oneof![Just(Finding::Ready), Just(Finding::NotReady), Just(Finding::Refused)];
    prop_oneof![
        4 => Just(Happening::Request),
        2 => any::<usize>().prop_map(Happening::RequestEnds),
        3 => (0..4_usize, finding).prop_map(|(target, finding)| Happening::Learn(target, finding)),
        1 => (0..4_usize).prop_map(Happening::Drain),
        1 => (0..2_usize).prop_map(Happening::Swap),
    ]
}

proptest! {
    /// Two releases of two targets each, and anything in any order.
    #[test]
    fn every_request_is_counted_where_it_is_and_none_goes_where_it_must_not(
        happenings in prop::collection::vec(happening(), 0..60), seed in any::<usize>(),
    ) {
        let names = [("a", "1"), ("b", "1"), ("c", "2"), ("d", "2")];
        let balancer = healthy(&names);
        let targets: Vec<_> = names.iter().map(|(name, _)| target(&balancer, name)).collect();
        let mut open: Vec<Claim> = Vec::new();
        let mut turn = seed;
        for happening in happenings {
            match happening {
                Happening::Request => {
                    let random = |bound: usize| { turn = turn.wrapping_mul(31).wrapping_add(7); turn % bound };
                    let services = balancer.services();
                    let app = &services["app"];
                    let phase = |target: &Arc<Target>| app.members.iter()
                        .find(|member| Arc::ptr_eq(&member.target, target)).map(|member| member.health.phase());
                    let routed = |target: &Arc<Target>| app.shares.contains_key(&target.release);
                    match balancer.claim("app", &[], random) {
                        Choice::Claimed(claim) => {
                            let chosen = claim.target();
                            prop_assert!(routed(chosen));
                            let some_healthy = targets.iter()
                                .any(|target| routed(target) && phase(target) == Some(Phase::Healthy));
                            let wanted = if some_healthy { Phase::Healthy } else { Phase::Unhealthy };
                            prop_assert_eq!(phase(chosen), Some(wanted));
                            open.push(claim);
                        }
                        Choice::Maintenance => prop_assert!(false, "nobody has closed it"),
                        Choice::Wait => prop_assert!(targets.iter().all(|target|
                            !routed(target) || phase(target) == Some(Phase::Draining))),
                    }
                }
                Happening::RequestEnds(which) if !open.is_empty() => drop(open.swap_remove(which % open.len())),
                Happening::RequestEnds(_) => {}
                Happening::Learn(which, finding) => { let _ = balancer.learn(&targets[which], finding); }
                Happening::Drain(which) => { let _ = balancer.apply(&[drain(names[which].0)]); }
                Happening::Swap(which) => { let _ = balancer.apply(&[route(&[(["1", "2"][which], 1)])]); }
            }
            for target in &targets {
                let counted = open.iter().filter(|claim| Arc::ptr_eq(claim.target(), target)).count();
                prop_assert_eq!(target.in_flight(), counted);
            }
        }
    }

    /// A tenth of the requests for the new release is a tenth, whatever the number of targets.
    #[test]
    fn shares_are_kept(share in 1..10_u32, seed in any::<u32>()) {
        let balancer = healthy(&[("a", "1"), ("b", "2"), ("c", "2"), ("d", "2")]);
        let _ = balancer.apply(&[route(&[("1", 10 - share), ("2", share)])]).expect("both are ready");
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        let mut state = u64::from(seed);
        for _ in 0..5_000 {
            let random = |bound: usize| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) as usize % bound
            };
            if let Choice::Claimed(claim) = balancer.claim("app", &[], random) {
                *counts.entry(claim.target().release.clone()).or_default() += 1;
            }
        }
        let got = f64::from(counts.get("2").copied().unwrap_or(0)) / 5_000.0;
        prop_assert!((got - f64::from(share) / 10.0).abs() < 0.04, "{got} of {share}/10");
    }
}

fn trial(shares: &[(&str, u32)]) -> Change {
    let shares = shares.iter().map(|(release, share)| ((*release).to_owned(), *share)).collect();
    Change::Try { service: "app".into(), shares }
}

fn shares(balancer: &Balancer) -> BTreeMap<String, u32> {
    balancer.services()["app"].shares.clone()
}

fn map(shares: &[(&str, u32)]) -> BTreeMap<String, u32> {
    shares.iter().map(|(release, share)| ((*release).to_owned(), *share)).collect()
}

#[test]
fn a_trial_goes_back_to_what_was_before_its_first_stage() {
    let balancer = healthy(&[("a", "1"), ("b", "2")]);
    let back = Change::Back { service: "app".into() };
    for stage in [trial(&[("1", 98), ("2", 2)]), trial(&[("2", 100)])] {
        let _ = balancer.apply(&[stage]).expect("it is tried");
    }
    assert_eq!(shares(&balancer), map(&[("2", 100)]));
    let _ = balancer.apply(std::slice::from_ref(&back)).expect("it goes back");
    assert_eq!(shares(&balancer), map(&[("1", 1)]));
    let _ =
        balancer.apply(&[trial(&[("2", 1)]), route(&[("2", 1)]), back]).expect("it lasts, and nothing is to go back");
    assert_eq!(shares(&balancer), map(&[("2", 1)]));
}

#[test]
fn to_keep_some_drains_the_others() {
    let balancer = healthy(&[("a", "1"), ("b", "2"), ("c", "2")]);
    let keep = Change::Keep { service: "app".into(), names: vec!["b".into(), "c".into()] };
    let _ = balancer.apply(&[route(&[("2", 1)]), keep]).expect("a drains");
    let phases = balancer.services()["app"].members.iter().map(|member| member.health.phase()).collect::<Vec<_>>();
    assert_eq!(phases, [Phase::Draining, Phase::Healthy, Phase::Healthy]);
}

#[test]
fn what_is_there_already_may_be_added_again_and_another_of_its_name_may_not() {
    let balancer = healthy(&[("a", "1")]);
    let _ = balancer.apply(&[add("a", "1")]).expect("it is there");
    assert_eq!(balancer.services()["app"].members.len(), 1);
    let refused = balancer.apply(&[add("a", "2")]).expect_err("another release");
    assert_eq!(refused, Refusal::Taken { service: "app".into(), name: "a".into() });
}
