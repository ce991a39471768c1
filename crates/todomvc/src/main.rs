//! The `todomvc` program: `serve`, `migrate` and `healthcheck`. It reads the arguments and the environment, and turns
//! results into exit codes: 0 done, 1 failed, 2 cannot be run like this.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use todomvc::config::{Config, ConfigError, DatabaseConfig, HttpConfig, from_environment};
use todomvc::{healthcheck, migrate, server};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};

/// TodoMVC on PostgreSQL. Configured by environment variables; see `docs/api.md`.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer requests until SIGTERM.
    Serve,
    /// Bring the database's schema up to date.
    Migrate {
        /// Wait this many seconds for the database.
        #[arg(long, value_name = "SECONDS", default_value_t = 60)]
        wait: u32,
    },
    /// Ask the process in this container whether it is ready.
    Healthcheck,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Serve => serve(),
        Command::Migrate { wait } => migrate(Duration::from_secs(wait.into())),
        Command::Healthcheck => healthcheck(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            // When standard error is closed there is nobody left to tell.
            let _ = writeln!(io::stderr(), "error: {}", failed.message);
            ExitCode::from(failed.code)
        }
    }
}

/// A message for a person, and the exit code.
struct Failed {
    message: String,
    code: u8,
}

impl Failed {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: 1 }
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl From<ConfigError> for Failed {
    fn from(error: ConfigError) -> Self {
        Self { message: error.to_string(), code: 2 }
    }
}

fn serve() -> Result<(), Failed> {
    let config = Config::read(&from_environment)?;
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_target(false)
        .with_span_list(false)
        .with_max_level(config.log.level)
        .init();
    runtime()?.block_on(async {
        let listen = config.http.listen;
        let stop = stop_signal()?;
        let listener = TcpListener::bind(listen)
            .await
            .map_err(|error| Failed::new(format!("`{listen}` cannot be listened on: {error}")))?;
        tracing::info!(%listen, version = env!("CARGO_PKG_VERSION"), "listening");
        server::serve(listener, &config, stop).await;
        Ok(())
    })
}

fn migrate(wait: Duration) -> Result<(), Failed> {
    let config = DatabaseConfig::read(&from_environment)?;
    let say = |line: String| {
        let _ = writeln!(io::stdout(), "{line}");
    };
    runtime()?.block_on(migrate::run(&config, wait, say)).map_err(|error| Failed::new(error.to_string()))
}

fn healthcheck() -> Result<(), Failed> {
    let config = HttpConfig::read(&from_environment)?;
    healthcheck::run(config.listen).map_err(Failed::new)?;
    let _ = writeln!(io::stdout(), "ready");
    Ok(())
}

/// One thread: a replica is one core's worth, and a single thread costs a fifth less than several that share work.
fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Completes at the first SIGTERM or SIGINT. As PID 1 the process has no default action for either.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
