//! `exec`: a command in a running container, with this terminal.

use std::io::IsTerminal as _;

use mainstay_plan::observed::State;

use super::{connect, load_model, logs};
use crate::cli::{ExecArgs, Globals};
use crate::engine::Engine as _;
use crate::error::{Error, Result};
use crate::exit::ExitStatus;

pub(super) async fn run(globals: &Globals, args: &ExecArgs) -> Result<ExitStatus> {
    let stack = load_model(globals)?.stack;
    if !stack.services.contains_key(&args.service) && !stack.inactive.contains(&args.service) {
        return Err(logs::no_service(&args.service, stack.services.keys()));
    }
    let engine = connect().await?;
    let containers = engine.containers(&stack.project).await?;
    let found = containers.iter().find(|c| c.service == args.service && c.number == args.index);
    let found = found.filter(|container| container.state == State::Running).ok_or_else(|| {
        Error::new(format!("replica {} of service `{}` does not run", args.index, args.service))
            .hint("`mainstay status` shows what runs, and `mainstay up` brings it up")
    })?;
    let name = found.name.clone();
    let tty = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let raw = if tty { RawTerminal::enter() } else { None };
    let code = engine.exec(&name, &args.command, tty, true, args.user.as_deref()).await;
    drop(raw);
    Ok(ExitStatus::Command(u8::try_from(code?).unwrap_or(1)))
}

/// The terminal passes every key on while this lives, and is then as it was.
struct RawTerminal {
    before: rustix::termios::Termios,
}

impl RawTerminal {
    fn enter() -> Option<Self> {
        let before = rustix::termios::tcgetattr(std::io::stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Now, &raw).ok()?;
        Some(Self { before })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        let _ = rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Now, &self.before);
    }
}
