//! mainstay: from a compose file to a running environment.
//!
//! *load* reads files, *observe* reads the engine, the plan crate decides,
//! *execute* changes the world, *report* prints. A verb is a file in `commands`.

mod cli;
mod commands;
mod doctor;
mod engine;
mod error;
mod execute;
mod exit;
mod load;
mod observe;
mod releases;
mod report;
mod workshop;

use std::process::ExitCode;

use clap::Parser as _;

use crate::exit::ExitStatus;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // `--help` and `--version` are data and end well; a wrong word ends
            // with 1, since 2 means "changes" here.
            let _ = error.print();
            return if error.use_stderr() { ExitStatus::Failure } else { ExitStatus::Success }.into();
        }
    };
    // One thread: everything here waits for the engine.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(cause) => {
            report::error(&error::Error::new(format!("start the runtime: {cause}")));
            return ExitStatus::Failure.into();
        }
    };
    let status = runtime.block_on(commands::run(cli)).unwrap_or_else(|error| {
        report::error(&error);
        ExitStatus::Failure
    });
    // A read of the terminal may still be waiting on a thread of its own.
    runtime.shutdown_background();
    status.into()
}
