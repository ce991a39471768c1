//! The verbs, a file each.

mod ask;
mod build;
mod change;
mod completions;
mod config;
mod deploy;
mod doctor;
mod down;
mod exec;
mod hook;
mod logs;
mod plan;
mod prune;
mod releases;
mod rollback;
mod scale;
mod signals;
mod status;
mod turn;
mod up;

use mainstay_plan::plan::Plan;
use tokio::sync::watch;

use crate::cli::{Cli, Globals, Verb};
use crate::engine::docker::{DockerEngine, Surroundings};
use crate::error::Result;
use crate::execute::{Execution, Outcome};
use crate::exit::ExitStatus;
use crate::load::Loaded;
use crate::report::{Format, Sink};
use crate::{load, report};

/// Runs the verb.
pub(crate) async fn run(cli: Cli) -> Result<ExitStatus> {
    let globals = &cli.globals;
    match cli.verb {
        Verb::Up(args) => up::run(globals, &args).await,
        Verb::Build(args) => build::run(globals, &args).await,
        Verb::Down(args) => down::run(globals, &args).await,
        Verb::Plan(args) => plan::run(globals, &args).await,
        Verb::Deploy(args) => deploy::run(globals, &args).await,
        Verb::Rollback(args) => rollback::run(globals, &args).await,
        Verb::Releases(args) => releases::run(globals, &args).await,
        Verb::Scale(args) => scale::run(globals, &args).await,
        Verb::Prune(args) => prune::run(globals, &args).await,
        Verb::Hook { action } => hook::run(&action),
        Verb::Status => status::run(globals).await,
        Verb::Logs(args) => logs::run(globals, &args).await,
        Verb::Exec(args) => exec::run(globals, &args).await,
        Verb::Config(args) => config::run(globals, &args),
        Verb::Doctor => doctor::run(globals).await,
        Verb::Completions { shell } => Ok(completions::run(shell)),
    }
}

async fn connect() -> Result<DockerEngine> {
    DockerEngine::connect(&Surroundings::from_env()).await
}

/// The stack with everything that it is made of; warnings go to the terminal.
fn load_stack(globals: &Globals) -> Result<Loaded> {
    let loaded = load::stack(&globals.sources())?;
    loaded.warnings.iter().for_each(|warning| report::warning(&warning.to_string()));
    Ok(loaded)
}

/// The stack as the file alone gives it, for verbs that only need names.
fn load_model(globals: &Globals) -> Result<Loaded> {
    load::model(&globals.sources())
}

/// Carries a plan out, and is stopped by Ctrl-C or SIGTERM.
async fn carry_out(engine: &DockerEngine, loaded: &Loaded, plan: &Plan, format: Format) -> Outcome {
    let sink = Sink::new(plan, format);
    carry_out_to(engine, loaded, plan, &sink, signals::stop()).await
}

async fn carry_out_to(
    engine: &DockerEngine,
    loaded: &Loaded,
    plan: &Plan,
    sink: &Sink,
    stop: watch::Receiver<bool>,
) -> Outcome {
    let execution = Execution { engine, stack: &loaded.stack, environment: &loaded.environment, sink, stop };
    let outcome = execution.run(plan).await;
    sink.end();
    outcome
}
