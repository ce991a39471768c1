//! `doctor`: everything that is wrong, and how to mend it.

use super::connect;
use crate::cli::Globals;
use crate::doctor::{self, Finding};
use crate::error::Result;
use crate::exit::ExitStatus;
use crate::{load, report};

pub(super) async fn run(globals: &Globals) -> Result<ExitStatus> {
    let mut findings = Vec::new();
    let stack = match load::stack(&globals.sources()) {
        Ok(loaded) => Some(loaded.stack),
        Err(error) => {
            findings.push(Finding::from(error));
            None
        }
    };
    match connect().await {
        Ok(engine) => findings.extend(doctor::examine(&engine, stack.as_ref()).await?),
        Err(error) => {
            findings.extend(stack.as_ref().map(doctor::of_stack).unwrap_or_default());
            findings.push(Finding::from(error));
        }
    }
    findings.sort_by_key(|finding| !finding.is_error());
    for finding in &findings {
        match globals.json {
            true => report::json_line(finding),
            false => report::data(&format!("{finding}\n")),
        }
    }
    if findings.is_empty() {
        report::talk("nothing is wrong");
        return Ok(ExitStatus::Success);
    }
    Ok(ExitStatus::Changes)
}
