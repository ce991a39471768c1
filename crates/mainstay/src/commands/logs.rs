//! `logs`: what services write, each line with the container that wrote it.

use futures_util::StreamExt as _;
use futures_util::stream::select_all;

use super::{connect, load_model, signals};
use crate::cli::{Globals, LogsArgs};
use crate::engine::Engine as _;
use crate::engine::docker::attach::LogQuery;
use crate::error::{Error, Result};
use crate::exit::ExitStatus;
use crate::report;

pub(super) async fn run(globals: &Globals, args: &LogsArgs) -> Result<ExitStatus> {
    let stack = load_model(globals)?.stack;
    // A service of another profile may run, too: only what neither runs nor is in the file is a mistake.
    let is_known = |name: &String| stack.services.contains_key(name) || stack.inactive.contains(name);
    if let Some(wanted) = args.services.iter().find(|name| !is_known(name)) {
        return Err(no_service(wanted, stack.services.keys()));
    }
    let engine = connect().await?;
    let containers = engine.containers(&stack.project).await?;
    let wanted = containers.iter().filter(|c| args.services.is_empty() || args.services.contains(&c.service));
    let names: Vec<&str> = wanted.map(|container| container.name.as_str()).collect();
    if names.is_empty() {
        report::talk("nothing runs; `mainstay up` brings it up");
        return Ok(ExitStatus::Success);
    }
    let query =
        LogQuery { follow: args.follow, tail: args.tail, since_s: args.since.map(ago), timestamps: args.timestamps };
    let width = names.iter().map(|name| name.len()).max().unwrap_or(0);
    let mut lines = select_all(names.iter().map(|name| Box::pin(engine.logs(name, &query))));
    loop {
        tokio::select! {
            next = lines.next() => match next {
                None => return Ok(ExitStatus::Success),
                Some(line) => {
                    let line = line?;
                    if globals.json {
                        report::json_line(&serde_json::json!({"container": line.name, "stderr": line.is_stderr, "line": line.text}));
                    } else {
                        report::data(&format!("{:width$} | {}\n", line.name, line.text));
                    }
                }
            },
            () = signals::next() => return Ok(ExitStatus::Interrupted),
        }
    }
}

/// So many seconds ago, in seconds since 1970.
fn ago(age_s: u64) -> i32 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    i32::try_from(now.saturating_sub(age_s)).unwrap_or(i32::MAX)
}

/// The error for a service that the file does not have.
pub(super) fn no_service<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Error {
    let known: Vec<&str> = known.map(String::as_str).collect();
    Error::new(format!("the file has no service `{name}`")).hint(format!("it has `{}`", known.join("`, `")))
}
