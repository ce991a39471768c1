//! Live progress on a terminal: a spinner for each step that runs, a line for
//! each that ended.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use mainstay_plan::plan::{Plan, StepId};

use super::{Event, GREEN, RED, Renderer, YELLOW, paint, seconds};

/// Wide enough for what is said, narrow enough for 80 columns.
const DETAIL_WIDTH: usize = 60;

pub(super) struct Tty {
    bars: MultiProgress,
    running: BTreeMap<StepId, ProgressBar>,
}

impl Tty {
    pub(super) fn new() -> Self {
        Self { bars: MultiProgress::new(), running: BTreeMap::new() }
    }

    fn start(&mut self, id: StepId, title: String) {
        let bar = self.bars.add(ProgressBar::new_spinner());
        let style =
            ProgressStyle::with_template("  {spinner} {msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
        bar.set_style(style);
        bar.set_message(title);
        bar.enable_steady_tick(Duration::from_millis(100));
        self.running.insert(id, bar);
    }

    fn finish(&mut self, id: StepId, line: &str) {
        if let Some(bar) = self.running.remove(&id) {
            bar.finish_and_clear();
        }
        self.say(line);
    }

    fn say(&self, line: &str) {
        let _ = self.bars.println(line);
    }
}

impl Renderer for Tty {
    fn event(&mut self, plan: &Plan, event: &Event) {
        let title = |id: &StepId| plan.steps[id.0].step.title();
        match event {
            Event::StepStarted { id } => self.start(*id, title(id)),
            Event::StepProgress { id, text } => {
                if let Some(bar) = self.running.get(id) {
                    let detail: String = text.chars().take(DETAIL_WIDTH).collect();
                    bar.set_message(format!("{}  {detail}", title(id)));
                }
            }
            Event::StepDone { id, took } => {
                let line = format!("  {} {}  {}", paint(GREEN, "✓"), title(id), seconds(*took));
                self.finish(*id, &line);
            }
            Event::StepFailed { id, error } => {
                let line = format!("  {} {}: {}", paint(RED, "✗"), title(id), error.message);
                self.finish(*id, &line);
            }
            Event::ContainerOutput { name, lines } => self.bars.suspend(|| super::plain::container_output(name, lines)),
            Event::CleanedUp { step, error } => {
                let ending = error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
                self.say(&format!("  {} put back: {step}{ending}", paint(YELLOW, "↺")));
            }
        }
    }

    fn end(&mut self) {
        self.running.values().for_each(ProgressBar::finish_and_clear);
        self.running.clear();
    }
}
