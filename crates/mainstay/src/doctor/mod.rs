//! Finds what is wrong, and says how to mend it.
//!
//! `host` looks at the engine and the machine, `ports` at who holds a port,
//! `stack` at the file. `up` asks the part of it that would stop it halfway.

mod host;
mod ports;
mod stack;

use std::fmt;

use mainstay_plan::plan::{Plan, Step};
use mainstay_plan::stack::Stack;
use serde::Serialize;

use crate::engine::Engine as _;
use crate::engine::docker::DockerEngine;
use crate::error::{Error, Result};
use crate::report;

pub(crate) use stack::examine as of_stack;

/// Something that is wrong, and the way out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    level: Level,
    /// What is wrong.
    pub(crate) message: String,
    /// How to mend it.
    pub(crate) hint: String,
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    /// `up` would fail.
    Error,
    /// It works, and will hurt one day.
    Warning,
}

impl Finding {
    fn error(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { level: Level::Error, message: message.into(), hint: hint.into() }
    }

    fn warning(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { level: Level::Warning, message: message.into(), hint: hint.into() }
    }

    pub(crate) fn is_error(&self) -> bool {
        self.level == Level::Error
    }
}

impl From<Error> for Finding {
    fn from(error: Error) -> Self {
        Self::error(error.message, error.hint.unwrap_or_default())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Error => report::paint(report::RED, "error:"),
            Level::Warning => report::paint(report::YELLOW, "warning:"),
        };
        write!(f, "{level} {}", self.message)?;
        if !self.hint.is_empty() {
            write!(f, "\n  hint: {}", self.hint)?;
        }
        Ok(())
    }
}

/// Everything that can be looked at.
pub(crate) async fn examine(engine: &DockerEngine, stack: Option<&Stack>) -> Result<Vec<Finding>> {
    let info = engine.info().await?;
    let mut findings = host::examine(&info);
    if let Some(stack) = stack {
        findings.extend(host::limits(&info, stack));
        findings.extend(architectures(engine, stack).await?);
        let own = engine.containers(&stack.project).await?;
        // A service that runs holds its ports rightly.
        let down = stack.services.keys().filter(|name| !own.iter().any(|container| container.service == **name));
        findings.extend(ports::taken(engine, stack, &down.map(String::as_str).collect::<Vec<_>>(), &[]).await?);
        findings.extend(stack::examine(stack));
    }
    Ok(findings)
}

/// What would stop this plan halfway, before anything is touched.
pub(crate) async fn preflight(engine: &DockerEngine, stack: &Stack, plan: &Plan) -> Result<Vec<Finding>> {
    let info = engine.info().await?;
    let mut findings = host::examine(&info);
    findings.extend(host::limits(&info, stack));
    findings.extend(architectures(engine, stack).await?);
    let created = plan.steps.iter().filter_map(|planned| match &planned.step {
        Step::CreateContainer { spec, .. } => Some(spec.service.as_str()),
        _ => None,
    });
    let leaving = plan.steps.iter().filter_map(|planned| match &planned.step {
        Step::StopContainer { name, .. } | Step::RemoveContainer { name } => Some(name.as_str()),
        _ => None,
    });
    let (created, leaving): (Vec<&str>, Vec<&str>) = (created.collect(), leaving.collect());
    findings.extend(ports::taken(engine, stack, &created, &leaving).await?);
    Ok(findings)
}

/// Images that were built for another processor.
async fn architectures(engine: &DockerEngine, stack: &Stack) -> Result<Vec<Finding>> {
    let host = engine.info().await?.architecture;
    let mut findings = Vec::new();
    for service in stack.services.values().filter(|service| service.platform.is_none()) {
        let reference = service.image_reference();
        let Some(image) = engine.image(&reference).await? else { continue };
        if !image.architecture.is_empty() && image.architecture != host {
            findings.push(Finding::error(
                format!(
                    "service `{}`: image `{reference}` is for {}, and this engine runs on {host}",
                    service.name, image.architecture
                ),
                "pull or build it for this processor, or ask for emulation with `platform:`",
            ));
        }
    }
    Ok(findings)
}
