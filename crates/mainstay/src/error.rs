//! The one error type that reaches a person: what, why, and the way out.

use std::fmt;

/// An error with a way out. The message is lower case, names the thing in
/// backticks, and has its cause after a colon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Error {
    /// What went wrong, and why.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

/// What may fail so.
pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Puts what was being done before the cause.
    pub(crate) fn during(mut self, doing: &str) -> Self {
        self.message = format!("{doing}: {}", self.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<mainstay_plan::planner::PlanError> for Error {
    fn from(error: mainstay_plan::planner::PlanError) -> Self {
        Self::new(error.message).hint(error.hint)
    }
}
