//! How the program ends.

use std::process::ExitCode;

/// The exit code, by meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// It is so; with `plan`: there is nothing to do.
    Success,
    /// It failed; the reason stands on standard error.
    Failure,
    /// `plan`: there is something to do. `doctor`: something must be mended.
    Changes,
    /// A person stopped it (128 + SIGINT).
    Interrupted,
    /// The exit code of the command that `exec` ran.
    Command(u8),
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(match status {
            ExitStatus::Success => 0,
            ExitStatus::Failure => 1,
            ExitStatus::Changes => 2,
            ExitStatus::Interrupted => 130,
            ExitStatus::Command(code) => code,
        })
    }
}
