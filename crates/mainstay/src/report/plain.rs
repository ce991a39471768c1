//! One line for each step that ended, and for each long one that begins: for
//! logs and pipes.

use mainstay_plan::plan::{Plan, Step, StepId};

use super::{Event, Renderer, seconds, talk};

pub(super) struct Plain;

impl Renderer for Plain {
    fn event(&mut self, plan: &Plan, event: &Event) {
        match event {
            Event::StepStarted { id } if is_long(&plan.steps[id.0].step) => talk(&format!("{} ...", line(plan, *id))),
            Event::StepStarted { .. } | Event::StepProgress { .. } => {}
            Event::StepDone { id, took } => talk(&format!("{} ({})", line(plan, *id), seconds(*took))),
            Event::StepFailed { id, error } => talk(&format!("{} FAILED: {}", line(plan, *id), error.message)),
            Event::ContainerOutput { name, lines } => container_output(name, lines),
            Event::CleanedUp { step, error: None } => talk(&format!("put back: {step}")),
            Event::CleanedUp { step, error: Some(error) } => talk(&format!("could not put back: {step}: {error}")),
        }
    }
}

fn line(plan: &Plan, id: StepId) -> String {
    format!("[{}/{}] {}", id.0 + 1, plan.steps.len(), plan.steps[id.0].step.title())
}

fn is_long(step: &Step) -> bool {
    matches!(step, Step::PullImage { .. } | Step::BuildImage { .. })
}

pub(super) fn container_output(name: &str, lines: &[String]) {
    if lines.is_empty() {
        talk(&format!("container `{name}` wrote nothing"));
        return;
    }
    talk(&format!("the last lines of container `{name}`:"));
    for line in lines {
        talk(&format!("    {line}"));
    }
}
