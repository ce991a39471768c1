//! Stack and observed to plan. Pure: the same two give the same plan.
//!
//! `order` sorts services by their dependencies, `images` and `resources` plan
//! what containers stand on, `replicas` decides what becomes of each container,
//! `replace` writes the steps of a swap, `down` takes it all away, `diff` names
//! the fields that differ, `rollout` swaps what is behind an edge. `draft` is the plan while it is being written.

mod diff;
mod down;
mod draft;
mod images;
mod order;
mod replace;
mod replicas;
mod resources;
mod rollout;

use std::collections::{BTreeMap, BTreeSet};

use crate::observed::Observed;
use crate::plan::Plan;
use crate::spec::ContainerSpec;
use crate::stack::{Condition, Stack};

pub use down::{DownOptions, plan_down};
pub use replicas::is_meant_to_end;
pub use resources::store_volume;

/// What a person asked of `up` or `deploy` beyond the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpOptions {
    /// Build images anew although their content has not changed.
    pub rebuild: bool,
    /// Pull images anew.
    pub pull: bool,
    /// Images were pulled and built just now: those that are there are the newest.
    pub images_are_new: bool,
    /// Replace containers although nothing differs.
    pub force_recreate: bool,
    /// Remove containers of services that the file no longer has.
    pub remove_orphans: bool,
    /// These services only, and what has to run to its end before them; all when absent.
    pub only: Option<BTreeSet<String>>,
    /// How long new releases are watched, over what the file says.
    pub watch_ms: Option<u64>,
    /// Services that go back to what they were made from before.
    pub pinned: BTreeMap<String, ContainerSpec>,
}

impl UpOptions {
    /// Whether the plan may touch a service.
    fn includes(&self, stack: &Stack, name: &str) -> bool {
        let Some(only) = &self.only else { return true };
        let runs_before = |asked: &String| {
            let depends_on = stack.services.get(asked).map(|service| &service.depends_on);
            let on = depends_on.and_then(|on| on.get(name));
            on.is_some_and(|on| on.condition == Condition::ServiceCompletedSuccessfully)
        };
        only.contains(name) || only.iter().any(|asked| !self.pinned.contains_key(asked) && runs_before(asked))
    }
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PlanError {
    /// What is wrong.
    pub message: String,
    /// The way out.
    pub hint: String,
}

impl PlanError {
    fn new(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { message: message.into(), hint: hint.into() }
    }
}

/// The plan that makes the engine have the images, and touches nothing else.
///
/// # Errors
///
/// An image can neither be pulled nor built.
pub fn plan_images(stack: &Stack, observed: &Observed, options: &UpOptions) -> Result<Plan, PlanError> {
    let mut draft = draft::Draft::new(&stack.project);
    images::plan(&mut draft, stack, observed, options)?;
    Ok(draft.finish())
}

/// The plan that makes the engine have what the stack asks for.
///
/// # Errors
///
/// Where the stack cannot be had on this engine: an external network or volume
/// is missing, a name is taken, a dependency can never become healthy.
pub fn plan_up(stack: &Stack, observed: &Observed, options: &UpOptions) -> Result<Plan, PlanError> {
    let mut draft = draft::Draft::new(&stack.project);
    let sequence = order::to_bring_up(stack)?;
    images::plan(&mut draft, stack, observed, options)?;
    let torn_down = resources::plan(&mut draft, stack, observed, options)?;
    for name in sequence.into_iter().filter(|name| options.includes(stack, name)) {
        let service = &stack.services[name];
        replicas::plan(&mut draft, &replicas::Context { stack, observed, options, torn_down: &torn_down }, service)?;
    }
    rollout::switch(&mut draft);
    if options.only.is_none() {
        rollout::forget(&mut draft, stack, observed);
    }
    down::plan_orphans(&mut draft, stack, observed, options.remove_orphans);
    Ok(draft.finish())
}
