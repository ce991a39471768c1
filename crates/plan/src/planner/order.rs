//! Services in the order of their dependencies.

use std::collections::BTreeSet;

use super::PlanError;
use crate::stack::{Service, Stack};

/// Names such that every service comes after those that it depends on, and after
/// the edge that it is behind; among equals the order of the file.
pub(super) fn to_bring_up(stack: &Stack) -> Result<Vec<&str>, PlanError> {
    by(stack, |service| {
        let edge = service.edge.iter().map(|edge| edge.service.as_str());
        service.depends_on.keys().map(String::as_str).chain(edge).collect()
    })
}

/// The same without edges: to take away, the edge goes before what is behind it.
pub(super) fn by_dependency(stack: &Stack) -> Result<Vec<&str>, PlanError> {
    by(stack, |service| service.depends_on.keys().map(String::as_str).collect())
}

fn by(stack: &Stack, comes_after: impl Fn(&Service) -> Vec<&str>) -> Result<Vec<&str>, PlanError> {
    let mut sequence: Vec<&str> = Vec::with_capacity(stack.services.len());
    let mut placed: BTreeSet<&str> = BTreeSet::new();
    while sequence.len() < stack.services.len() {
        let before = sequence.len();
        for (name, service) in &stack.services {
            let ready =
                comes_after(service).into_iter().all(|on| placed.contains(on) || !stack.services.contains_key(on));
            if ready && placed.insert(name) {
                sequence.push(name);
            }
        }
        if sequence.len() == before {
            let stuck: Vec<&str> = stack.services.keys().map(String::as_str).filter(|n| !placed.contains(n)).collect();
            return Err(PlanError::new(
                format!("services depend on each other in a circle: `{}`", stuck.join("`, `")),
                "take one of their `depends_on` away; an edge comes before what is behind it",
            ));
        }
    }
    Ok(sequence)
}
