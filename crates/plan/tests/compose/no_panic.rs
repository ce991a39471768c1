//! No input panics: not bytes at random, and not a good file with something broken in it.

use proptest::prelude::*;

use crate::support::Case;

const GOOD: &str = include_str!("../../../../compose.yaml");

proptest! {
    #[test]
    fn any_text(text in any::<String>()) {
        let _ = Case::new(&text).load();
    }

    #[test]
    fn yaml_like_text(text in r#"([a-z]{1,8}: ?|- |  |\n|[{}\[\]&*!"'$#|>,:]|<<: |\$\{[A-Z]?[:?+-]{0,2}|[0-9]{1,6}|services:\n){0,60}"#) {
        let _ = Case::new(&text).load();
    }

    #[test]
    fn our_own_file_with_a_piece_cut_out(from in 0..GOOD.len(), length in 0_usize..200) {
        let to = (from + length).min(GOOD.len());
        if let (Some(head), Some(tail)) = (GOOD.get(..from), GOOD.get(to..)) {
            let _ = Case::new(&format!("{head}{tail}")).load();
        }
    }

    #[test]
    fn our_own_file_with_a_piece_put_in(at in 0..GOOD.len(), piece in any::<String>()) {
        if let (Some(head), Some(tail)) = (GOOD.get(..at), GOOD.get(at..)) {
            let _ = Case::new(&format!("{head}{piece}{tail}")).load();
        }
    }

    #[test]
    fn bytes_of_any_kind(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Case::new(&String::from_utf8_lossy(&bytes)).load();
    }

    #[test]
    fn two_halves_of_our_own_file_laid_over_each_other(at in 0..GOOD.len(), piece in any::<String>()) {
        if let (Some(head), Some(tail)) = (GOOD.get(..at), GOOD.get(at..)) {
            let _ = Case::new(GOOD).and(&format!("{head}{piece}{tail}")).load();
            let _ = Case::new(head).and(tail).load();
        }
    }

    #[test]
    fn a_file_over_itself_is_itself(times in 1_usize..3) {
        let case = (0..times).fold(Case::new(GOOD), |case, _| case.and(GOOD));
        prop_assert_eq!(case.load().unwrap().stack, Case::new(GOOD).load().unwrap().stack);
    }

    #[test]
    fn environments_come_through_as_written(value in "[^$\\x00-\\x1f\\x7f-\\u{a0}\\u{feff}\\u{fffe}\\u{ffff}]{0,40}") {
        let quoted = serde_json::to_string(&value).unwrap();
        let loaded = Case::new(&format!("services: {{a: {{image: i, environment: {{A: {quoted}}}}}}}")).load().unwrap();
        prop_assert_eq!(loaded.stack.services["a"].run.environment["A"].as_deref(), Some(&*value));
    }

    #[test]
    fn any_value_at_any_key(key in "(devices|extra_hosts|network_mode|links|configs|expose|dns|sysctls|ports|volumes|environment|healthcheck|deploy|secrets|networks|depends_on|build|command|ulimits|logging|env_file|restart|cpus|mem_limit|tmpfs|user)", value in any::<String>()) {
        let quoted = serde_json::to_string(&value).unwrap();
        for form in [quoted.clone(), format!("[{quoted}]"), format!("{{{quoted}: {quoted}}}")] {
            let _ = Case::new(&format!("services: {{a: {{image: i, {key}: {form}}}}}")).load();
        }
    }
}

#[test]
fn our_own_file_is_right() {
    let loaded = Case::new(GOOD).load().unwrap();
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.stack.project, "mainstay");
}
