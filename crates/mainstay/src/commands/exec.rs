//! `exec`: a command in a running container, with this terminal.

use std::io::IsTerminal as _;

use super::{connect, load_model, logs};
use crate::cli::{ExecArgs, Globals};
use crate::error::Result;
use crate::exit::ExitStatus;

pub(super) async fn run(globals: &Globals, args: &ExecArgs) -> Result<ExitStatus> {
    let stack = load_model(globals)?.stack;
    let service =
        stack.services.get(&args.service).ok_or_else(|| logs::no_service(&args.service, stack.services.keys()))?;
    let name = service.container_name(&stack.project, args.index);
    let engine = connect().await?;
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
