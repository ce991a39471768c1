//! Services in the order of their dependencies.

use std::collections::BTreeSet;

use super::PlanError;
use crate::stack::Stack;

/// Names such that every service comes after those that it depends on; among
/// equals the order of the file.
pub(super) fn by_dependency(stack: &Stack) -> Result<Vec<&str>, PlanError> {
    let mut sequence: Vec<&str> = Vec::with_capacity(stack.services.len());
    let mut placed: BTreeSet<&str> = BTreeSet::new();
    while sequence.len() < stack.services.len() {
        let before = sequence.len();
        for (name, service) in &stack.services {
            let ready =
                service.depends_on.keys().all(|on| placed.contains(on.as_str()) || !stack.services.contains_key(on));
            if ready && placed.insert(name) {
                sequence.push(name);
            }
        }
        if sequence.len() == before {
            let stuck: Vec<&str> = stack.services.keys().map(String::as_str).filter(|n| !placed.contains(n)).collect();
            return Err(PlanError::new(
                format!("services depend on each other in a circle: `{}`", stuck.join("`, `")),
                "take one of their `depends_on` away",
            ));
        }
    }
    Ok(sequence)
}
