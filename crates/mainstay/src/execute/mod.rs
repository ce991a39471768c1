//! Carries a plan out, and decides nothing.
//!
//! Steps run side by side as soon as those that they wait for have ended well.
//! On a failure nothing new is started; what runs may end; what the plan lists
//! for the failed step puts things back. Running again observes and plans afresh.

mod step;
mod wait;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesUnordered;
use mainstay_plan::plan::{Plan, Step, StepId};
use mainstay_plan::stack::Stack;
use tokio::sync::watch;

use crate::engine::Engine;
use crate::error::Error;
use crate::load::Environment;
use crate::report::{Event, Sink};

/// How many steps run at once. Starts are serialised by the engine anyway, and
/// more of them only make each one slower.
const MOST_AT_ONCE: usize = 8;

/// How many lines of a failed container are shown.
const FAILED_LOG_LINES: u32 = 20;

/// How a plan ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Every step ended well.
    Done,
    /// A step failed; things were put back as far as the plan says.
    Failed(Error),
    /// A person stopped it.
    Interrupted,
}

/// What a plan is carried out with.
pub(crate) struct Execution<'a, E> {
    pub(crate) engine: &'a E,
    pub(crate) stack: &'a Stack,
    /// Where secrets and configs may come from.
    pub(crate) environment: &'a Environment,
    pub(crate) sink: &'a Sink,
    /// Becomes true when a person wants it to end.
    pub(crate) stop: watch::Receiver<bool>,
}

type Ended = (StepId, Duration, Result<(), Error>);

impl<E: Engine> Execution<'_, E> {
    /// Carries the plan out.
    pub(crate) async fn run(&self, plan: &Plan) -> Outcome {
        let mut done: BTreeSet<StepId> = BTreeSet::new();
        let mut begun: BTreeSet<StepId> = BTreeSet::new();
        let mut running: FuturesUnordered<LocalBoxFuture<'_, Ended>> = FuturesUnordered::new();
        let mut failure: Option<(StepId, Error)> = None;
        // Once a step failed, nobody waits for the others to become ready.
        let (give_up, given_up) = watch::channel(false);
        loop {
            let stopping = failure.is_some() || *self.stop.borrow();
            if !stopping {
                for id in ready(plan, &begun, &done) {
                    if running.len() < MOST_AT_ONCE {
                        begun.insert(id);
                        running.push(Box::pin(self.run_step(plan, id, given_up.clone())));
                    }
                }
            }
            let Some((id, took, result)) = running.next().await else { break };
            match result {
                Ok(()) => {
                    done.insert(id);
                    self.sink.send(&Event::StepDone { id, took });
                }
                Err(error) => {
                    if failure.is_none() {
                        self.sink.send(&Event::StepFailed { id, error: error.clone() });
                        failure = Some((id, error));
                        give_up.send_replace(true);
                    }
                }
            }
        }
        self.settle(plan, &begun, &done, failure).await
    }

    async fn run_step(&self, plan: &Plan, id: StepId, given_up: watch::Receiver<bool>) -> Ended {
        self.sink.send(&Event::StepStarted { id });
        let begun = Instant::now();
        let step = &plan.steps[id.0].step;
        let progress = |text: &str| self.sink.send(&Event::StepProgress { id, text: text.to_owned() });
        let work = self.perform(step, &progress);
        let result = if is_abandonable(step) {
            tokio::select! {
                result = work => result,
                () = becomes_true(self.stop.clone()) => Err(Error::new("interrupted")),
                () = becomes_true(given_up) => Err(Error::new("another step failed")),
            }
        } else {
            work.await
        };
        (id, begun.elapsed(), result)
    }

    /// Puts back what was half done, and says how it ended.
    async fn settle(
        &self,
        plan: &Plan,
        begun: &BTreeSet<StepId>,
        done: &BTreeSet<StepId>,
        failure: Option<(StepId, Error)>,
    ) -> Outcome {
        if done.len() == plan.steps.len() {
            return Outcome::Done;
        }
        if let Some((id, _)) = &failure {
            self.show_last_lines(&plan.steps[id.0].step).await;
        }
        for cleanup in unfinished_business(plan, begun, done) {
            self.clean_up(cleanup).await;
        }
        match failure {
            Some((_, error)) if !*self.stop.borrow() => Outcome::Failed(error),
            _ => Outcome::Interrupted,
        }
    }

    /// A container that failed says why in its last lines: they are shown unasked.
    async fn show_last_lines(&self, step: &Step) {
        let names = match step {
            Step::WaitReady { name, .. } | Step::WaitCompleted { name, .. } | Step::StartContainer { name } => {
                std::slice::from_ref(name)
            }
            Step::WaitTargets { containers, .. } => containers,
            _ => return,
        };
        for name in names.iter().filter(|_| !*self.stop.borrow()) {
            let lines = self.engine.last_logs(name, FAILED_LOG_LINES).await.unwrap_or_default();
            self.sink.send(&Event::ContainerOutput { name: name.clone(), lines });
        }
    }

    async fn clean_up(&self, step: &Step) {
        let result = self.perform(step, &|_| {}).await;
        self.sink.send(&Event::CleanedUp { step: step.title(), error: result.err() });
    }
}

async fn becomes_true(mut flag: watch::Receiver<bool>) {
    // The sender is gone: it never will.
    if flag.wait_for(|is| *is).await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// Steps that wait for nothing that has not ended well.
fn ready(plan: &Plan, begun: &BTreeSet<StepId>, done: &BTreeSet<StepId>) -> Vec<StepId> {
    let ids = (0..plan.steps.len()).map(StepId);
    ids.filter(|id| !begun.contains(id) && plan.steps[id.0].after.iter().all(|before| done.contains(before))).collect()
}

/// The clean-ups of swaps that were begun and not ended: those of the failed
/// step, and where a person stopped it between two steps, those of the next.
fn unfinished_business<'a>(plan: &'a Plan, begun: &BTreeSet<StepId>, done: &BTreeSet<StepId>) -> Vec<&'a Step> {
    let touched = |index: usize| {
        let id = StepId(index);
        let next_in_line = || {
            let after = &plan.steps[index].after;
            after.iter().any(|before| done.contains(before) && !plan.steps[before.0].cleanup.is_empty())
        };
        !done.contains(&id) && (begun.contains(&id) || next_in_line())
    };
    let mut steps: Vec<&Step> = Vec::new();
    for index in (0..plan.steps.len()).filter(|index| touched(*index)) {
        for step in &plan.steps[index].cleanup {
            if !steps.contains(&step) {
                steps.push(step);
            }
        }
    }
    steps
}

/// Waits, pulls and builds may be left in the middle; a call that changes a
/// container is short, and is let come to its end.
fn is_abandonable(step: &Step) -> bool {
    step.is_wait() || matches!(step, Step::PullImage { .. } | Step::BuildImage { .. })
}

#[cfg(test)]
mod tests;
