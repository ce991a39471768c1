//! The plan while it is being written.

use std::collections::{BTreeMap, BTreeSet};

use super::rollout::Rollout;
use crate::plan::{Change, Downtime, Plan, PlannedStep, Step, StepId};

/// Steps so far, and what later steps of other services wait for.
pub(super) struct Draft {
    plan: Plan,
    /// Images: nothing is touched before all of them are there.
    barrier: Vec<StepId>,
    /// Steps that make a network, volume or stored file, by what they make.
    provided: BTreeMap<String, StepId>,
    /// What dependents wait for, by service.
    milestones: BTreeMap<String, Milestones>,
    interrupted: BTreeSet<String>,
    held: BTreeSet<String>,
    /// Services behind an edge that are prepared, and not switched.
    rollouts: Vec<Rollout>,
}

/// The steps of a service that its dependents wait for; empty where it is so already.
#[derive(Debug, Clone, Default)]
pub(super) struct Milestones {
    /// Its containers were started.
    pub(super) started: Vec<StepId>,
    /// They are ready, or complete.
    pub(super) ready: Vec<StepId>,
    /// Any of its containers is made anew or started by this plan.
    pub(super) touched: bool,
    /// Any of its containers is made anew by this plan.
    pub(super) replaced: bool,
}

impl Draft {
    pub(super) fn new(project: &str) -> Self {
        Self {
            plan: Plan { project: project.to_owned(), ..Plan::default() },
            barrier: Vec::new(),
            provided: BTreeMap::new(),
            milestones: BTreeMap::new(),
            interrupted: BTreeSet::new(),
            held: BTreeSet::new(),
            rollouts: Vec::new(),
        }
    }

    pub(super) fn project(&self) -> &str {
        &self.plan.project
    }

    /// Adds a step. One that waits for nothing else waits for the images.
    pub(super) fn add(&mut self, step: Step, reason: impl Into<String>, after: &[StepId]) -> StepId {
        let mut after: Vec<StepId> = if after.is_empty() { self.barrier.clone() } else { after.to_vec() };
        after.sort_unstable();
        after.dedup();
        let id = StepId(self.plan.steps.len());
        self.plan.steps.push(PlannedStep {
            step,
            reason: reason.into(),
            changes: Vec::new(),
            after,
            cleanup: Vec::new(),
        });
        id
    }

    /// Adds a step that belongs to the barrier: an image.
    pub(super) fn add_image(&mut self, step: Step, reason: impl Into<String>, after: &[StepId]) -> StepId {
        let barrier = std::mem::take(&mut self.barrier);
        let id = self.add(step, reason, after);
        self.barrier = barrier;
        self.barrier.push(id);
        id
    }

    pub(super) fn with_changes(&mut self, id: StepId, changes: Vec<Change>) {
        self.plan.steps[id.0].changes = changes;
    }

    pub(super) fn with_cleanup(&mut self, id: StepId, cleanup: Vec<Step>) {
        self.plan.steps[id.0].cleanup = cleanup;
    }

    pub(super) fn provide(&mut self, what: String, id: StepId) {
        self.provided.insert(what, id);
    }

    pub(super) fn provider_of(&self, what: &str) -> Option<StepId> {
        self.provided.get(what).copied()
    }

    pub(super) fn milestones_of(&self, service: &str) -> Milestones {
        self.milestones.get(service).cloned().unwrap_or_default()
    }

    pub(super) fn set_milestones(&mut self, service: &str, milestones: Milestones) {
        self.milestones.insert(service.to_owned(), milestones);
    }

    pub(super) fn add_rollout(&mut self, rollout: Rollout) {
        self.rollouts.push(rollout);
    }

    pub(super) fn take_rollouts(&mut self) -> Vec<Rollout> {
        std::mem::take(&mut self.rollouts)
    }

    pub(super) fn holds(&mut self, service: &str) {
        self.held.insert(service.to_owned());
    }

    pub(super) fn interrupts(&mut self, service: &str) {
        self.interrupted.insert(service.to_owned());
    }

    pub(super) fn warn(&mut self, warning: String) {
        self.plan.warnings.push(warning);
    }

    pub(super) fn finish(mut self) -> Plan {
        let volumes: Vec<String> =
            self.plan.steps.iter().filter(|planned| planned.step.is_destructive()).map(|p| p.step.object()).collect();
        self.plan.downtime = if !volumes.is_empty() {
            Downtime::DataDestroyed { volumes }
        } else if !self.interrupted.is_empty() {
            Downtime::Interruption { services: self.interrupted.into_iter().collect() }
        } else if !self.held.is_empty() {
            Downtime::Held { services: self.held.into_iter().collect() }
        } else {
            Downtime::None
        };
        self.plan
    }
}
