//! The edge: `edge serve` is the load balancer, the other verbs speak to the one that runs.

mod ask;
mod certificates;
#[cfg(test)]
mod document;
mod log;
mod pause;
mod serve;

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

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
    /// Do nothing until told to end: the container that owns the network and the ports, so that the edge in it can be
    /// replaced.
    Pause,
    #[command(flatten)]
    Ask(ask::Verb),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.verb {
        Verb::Serve(serve) => serve::run(&serve, &cli.socket),
        Verb::Pause => pause::run(),
        Verb::Ask(verb) => ask::run(verb, &cli.socket),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when that fails.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}
