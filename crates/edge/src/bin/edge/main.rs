//! The edge: `edge serve` is the load balancer, the other verbs speak to the one that runs.

mod ask;
mod certificates;
#[cfg(test)]
mod document;
mod log;
mod serve;

use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand};

/// The front door: swaps what is behind it without dropping a request.
#[derive(Debug, Parser)]
#[command(name = "edge", version)]
struct Cli {
    /// Where the running edge is asked.
    #[arg(long, env = "EDGE_SOCKET", default_value = "/run/edge/admin.sock", global = true)]
    socket: PathBuf,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the load balancer.
    Serve(Box<serve::Serve>),
    #[command(flatten)]
    Ask(ask::Verb),
}

fn main() -> ExitCode {
    if let Err(error) = without_empty_settings() {
        return failed(&format!("start without settings that are empty: {error}"));
    }
    let cli = Cli::parse();
    let done = match cli.verb {
        Verb::Serve(serve) => serve::run(&serve, &cli.socket),
        Verb::Ask(verb) => ask::run(verb, &cli.socket),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &str) -> ExitCode {
    // Nobody is left to tell when that fails.
    let _ = writeln!(std::io::stderr(), "error: {error}");
    ExitCode::FAILURE
}

/// A compose file says `EDGE_DOMAINS: "${DOMAIN:-}"`, and means that nothing is set where it is empty. This process
/// becomes one without such variables.
fn without_empty_settings() -> std::io::Result<()> {
    let is_empty = |(name, value): &(OsString, OsString)| name.as_bytes().starts_with(b"EDGE_") && value.is_empty();
    let empty: Vec<OsString> = std::env::vars_os().filter(is_empty).map(|(name, _)| name).collect();
    if empty.is_empty() {
        return Ok(());
    }
    let mut again = Command::new(std::env::current_exe()?);
    again.args(std::env::args_os().skip(1));
    for name in &empty {
        again.env_remove(name);
    }
    // Comes back only where it failed.
    Err(again.exec())
}
