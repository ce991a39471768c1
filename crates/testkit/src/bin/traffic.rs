//! `traffic`: requests at a constant rate through a load balancer, and what a client noticed of what goes on behind it.

use std::io::Write as _;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use testkit::traffic::{Options, Report, Traffic};

/// Sends requests at a constant rate and tells what a client noticed. Exits with 1 when anything failed.
#[derive(Debug, Parser)]
struct Cli {
    /// Where to send.
    #[arg(value_name = "HOST:PORT", value_parser = resolve)]
    address: SocketAddr,
    /// What is there.
    #[arg(long, value_enum, default_value = "get")]
    preset: Preset,
    /// Requests of all kinds together, each second.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// For how long.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Preset {
    /// The todo application.
    Todos,
    /// The application that exists for scenarios.
    Fixture,
    /// Anything that answers at `/`.
    Get,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let options = match cli.preset {
        Preset::Todos => Options::todos(cli.rate),
        Preset::Fixture => Options::fixture(cli.rate),
        Preset::Get => Options::get(cli.rate),
    };
    let traffic = Traffic::start(cli.address, options);
    sleep(Duration::from_secs(cli.seconds));
    let report = traffic.stop();
    let told = tell(&report, cli.json);
    if told.is_ok() && report.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell(report: &Report, json: bool) -> std::io::Result<()> {
    let text = if json { serde_json::to_string_pretty(report)? } else { report.to_string() };
    writeln!(std::io::stdout(), "{text}")
}

fn resolve(text: &str) -> Result<SocketAddr, String> {
    let mut addresses = text.to_socket_addrs().map_err(|error| error.to_string())?;
    addresses.next().ok_or_else(|| "the name has no address".to_owned())
}
