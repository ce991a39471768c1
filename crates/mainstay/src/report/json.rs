//! One JSON object a line, for programs.

use mainstay_plan::plan::Plan;
use serde_json::{Value, json};

use super::{Event, Renderer, json_line};

pub(super) struct Json;

impl Renderer for Json {
    fn event(&mut self, plan: &Plan, event: &Event) {
        json_line(&value(plan, event));
    }
}

fn value(plan: &Plan, event: &Event) -> Value {
    let title = |id: &mainstay_plan::plan::StepId| plan.steps[id.0].step.title();
    match event {
        Event::StepStarted { id } => json!({"event": "step_started", "step": id.0 + 1, "title": title(id)}),
        Event::StepProgress { id, text } => json!({"event": "step_progress", "step": id.0 + 1, "text": text}),
        Event::StepDone { id, took } => {
            json!({"event": "step_done", "step": id.0 + 1, "title": title(id), "took_ms": took.as_millis()})
        }
        Event::StepFailed { id, error } => {
            json!({"event": "step_failed", "step": id.0 + 1, "title": title(id), "error": error.message, "hint": error.hint})
        }
        Event::ContainerOutput { name, lines } => {
            json!({"event": "container_output", "container": name, "lines": lines})
        }
        Event::CleanedUp { step, error } => {
            json!({"event": "cleaned_up", "title": step, "error": error.as_ref().map(|error| &error.message)})
        }
    }
}
