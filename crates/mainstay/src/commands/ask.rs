//! Asking a person. Without a terminal it refuses rather than waits.

use std::io::{BufRead as _, IsTerminal as _, Write as _};

use crate::error::{Error, Result};

/// Whether a person agrees; `--yes` agrees beforehand.
///
/// # Errors
///
/// There is nobody to ask, or the answer was not yes.
pub(super) fn consent(question: &str, yes: bool) -> Result<()> {
    if yes {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Error::new(format!("{question}: nobody is there to be asked")).hint("say `--yes` if it is to be"));
    }
    let mut err = std::io::stderr().lock();
    let _ = write!(err, "{question}. Type `yes` to go on: ").and_then(|()| err.flush());
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    match read {
        Ok(1..) if answer.trim() == "yes" => Ok(()),
        _ => Err(Error::new("not agreed; nothing was changed")),
    }
}
