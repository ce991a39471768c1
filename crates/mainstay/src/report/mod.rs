//! The code that prints: stdout is data, stderr is talk. (`ask` has its question,
//! and clap its help.)
//!
//! The executor sends events; `tty`, `plain` and `json` are three ways to show
//! them. A closed pipe ends the output quietly and nothing else.

mod json;
mod plain;
pub(crate) mod table;
mod tty;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use mainstay_plan::plan::{Plan, StepId};

use crate::error::Error;

/// Something happening while a plan is carried out.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    /// A step began.
    StepStarted { id: StepId },
    /// What a long step is at.
    StepProgress { id: StepId, text: String },
    /// A step ended well.
    StepDone { id: StepId, took: Duration },
    /// A step failed.
    StepFailed { id: StepId, error: Error },
    /// The last lines of a container that failed.
    ContainerOutput { name: String, lines: Vec<String> },
    /// Something was put back.
    CleanedUp { step: String, error: Option<Error> },
}

/// How a person or a program wants to be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Live on a terminal, plain lines elsewhere.
    Human,
    /// One JSON object a line, on standard output.
    Json,
}

trait Renderer {
    fn event(&mut self, plan: &Plan, event: &Event);
    fn end(&mut self) {}
}

/// Takes the events of one plan.
pub(crate) struct Sink {
    plan: Plan,
    renderer: RefCell<Box<dyn Renderer>>,
    took: RefCell<BTreeMap<StepId, Duration>>,
}

impl Sink {
    pub(crate) fn new(plan: &Plan, format: Format) -> Self {
        let renderer: Box<dyn Renderer> = match format {
            Format::Json => Box::new(json::Json),
            Format::Human if std::io::stderr().is_terminal() => Box::new(tty::Tty::new()),
            Format::Human => Box::new(plain::Plain),
        };
        Self { plan: plan.clone(), renderer: RefCell::new(renderer), took: RefCell::default() }
    }

    /// One that nobody listens to.
    #[cfg(test)]
    pub(crate) fn silent(plan: &Plan) -> Self {
        struct Silent;
        impl Renderer for Silent {
            fn event(&mut self, _plan: &Plan, _event: &Event) {}
        }
        Self { plan: plan.clone(), renderer: RefCell::new(Box::new(Silent)), took: RefCell::default() }
    }

    pub(crate) fn send(&self, event: &Event) {
        if let Event::StepDone { id, took } = event {
            let _ = self.took.borrow_mut().insert(*id, *took);
        }
        self.renderer.borrow_mut().event(&self.plan, event);
    }

    /// How long each step took that ended well.
    pub(crate) fn took(&self) -> BTreeMap<StepId, Duration> {
        self.took.borrow().clone()
    }

    pub(crate) fn end(&self) {
        self.renderer.borrow_mut().end();
    }
}

/// Writes data: what a program may read.
pub(crate) fn data(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes a line of talk.
pub(crate) fn talk(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = writeln!(err, "{text}");
}

/// Writes a value as one line of JSON, as data.
pub(crate) fn json_line<T: serde::Serialize>(value: &T) {
    data(&format!("{}\n", serde_json::to_string(value).unwrap_or_default()));
}

/// Writes a warning.
pub(crate) fn warning(text: &str) {
    talk(&format!("{} {text}", paint(YELLOW, "warning:")));
}

/// Writes an error and its way out.
pub(crate) fn error(error: &Error) {
    talk(&format!("{} {}", paint(RED, "error:"), error.message));
    if let Some(hint) = &error.hint {
        talk(&format!("\n{} {hint}", paint(CYAN, "hint:")));
    }
}

pub(crate) const RED: &str = "31";
pub(crate) const GREEN: &str = "32";
pub(crate) const YELLOW: &str = "33";
pub(crate) const CYAN: &str = "36";
pub(crate) const BOLD: &str = "1";

/// Colours a word on a terminal that wants colours (<https://no-color.org>).
pub(crate) fn paint(code: &str, text: &str) -> String {
    let wanted = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if wanted { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// A duration for a person: `0.6 s`.
pub(crate) fn seconds(took: Duration) -> String {
    format!("{:.1} s", took.as_secs_f64())
}
