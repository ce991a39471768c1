//! What a failed database call means: the connection is gone and waiting helps, the statement took too long, or the
//! database refused it and would again.

use std::error::Error as _;
use std::io;

use tokio_postgres::error::SqlState;

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nobody answered, within all the time there was.
    #[error("the database cannot be reached: {0}")]
    Unavailable(String),
    /// It was asked, and did not answer in time.
    #[error("the database did not answer in time")]
    TooSlow,
    /// It answered with an error that trying again would not change.
    #[error("the database refused: {0}")]
    Refused(String),
}

impl Failure {
    /// One word, for counting.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::TooSlow => "too_slow",
            Self::Refused(_) => "refused",
        }
    }
}

/// One attempt that failed.
#[derive(Debug)]
pub(super) enum Attempt {
    /// The connection or the server is going, gone, starting or not the primary: another attempt may succeed.
    Lost(String),
    /// The attempt failed for good.
    Final(Failure),
}

impl From<tokio_postgres::Error> for Attempt {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            Some(code) if is_passing(code) => Self::Lost(full_text(&error)),
            Some(&SqlState::QUERY_CANCELED) => Self::Final(Failure::TooSlow),
            Some(_) => Self::Final(Failure::Refused(full_text(&error))),
            None if error.is_closed() || is_io(&error) => Self::Lost(full_text(&error)),
            None => Self::Final(Failure::Refused(full_text(&error))),
        }
    }
}

impl From<io::Error> for Attempt {
    fn from(error: io::Error) -> Self {
        Self::Lost(error.to_string())
    }
}

/// The states that pass by themselves: connection exceptions, a server that shuts down, crashed or starts, one that has
/// no connection free during a deployment, one that is (or became) a standby, and a deadlock's victim.
fn is_passing(code: &SqlState) -> bool {
    code.code().starts_with("08")
        || [
            SqlState::ADMIN_SHUTDOWN,
            SqlState::CRASH_SHUTDOWN,
            SqlState::CANNOT_CONNECT_NOW,
            SqlState::TOO_MANY_CONNECTIONS,
            SqlState::READ_ONLY_SQL_TRANSACTION,
            SqlState::T_R_DEADLOCK_DETECTED,
        ]
        .contains(code)
}

fn is_io(error: &tokio_postgres::Error) -> bool {
    error.source().is_some_and(<dyn std::error::Error>::is::<io::Error>)
}

/// The error with its cause: the library's own text is only `db error`.
pub(crate) fn full_text(error: &tokio_postgres::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_states_that_pass_are_tried_again() {
        for code in ["08006", "08P01", "57P01", "57P02", "57P03", "25006", "53300", "40P01"] {
            assert!(is_passing(&SqlState::from_code(code)), "{code}");
        }
        for code in ["42P01", "23514", "22P02", "57014", "28P01"] {
            assert!(!is_passing(&SqlState::from_code(code)), "{code}");
        }
    }
}
