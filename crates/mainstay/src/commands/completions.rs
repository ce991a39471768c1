//! `completions`: a script that completes commands in a shell.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::exit::ExitStatus;
use crate::report;

pub(super) fn run(shell: Shell) -> ExitStatus {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "mainstay", &mut script);
    report::data(&String::from_utf8_lossy(&script));
    ExitStatus::Success
}
