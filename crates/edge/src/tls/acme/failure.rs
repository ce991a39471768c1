//! Why an order failed, and when the next one may be made.

use std::time::Duration;

use thiserror::Error;

use super::Kind;
use crate::tls::settings::Challenge;

/// The longest wait that grows by itself: a renewal has weeks, and a mended name is not kept waiting for a day.
const LONGEST: Duration = Duration::from_secs(6 * 3600);

/// The longest wait that a server may ask for; it may be wrong, too.
const LONGEST_ASKED: Duration = Duration::from_secs(24 * 3600);

/// How much sooner a server is asked again that was not reached, or to which we were strangers: it counts no failure.
const SOONER: u32 = 10;

/// A wait is longer or shorter at random by up to this part, so that not all that failed together come together again.
const JITTER: f64 = 0.2;

/// Why there is no new certificate.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Failure {
    /// The server was not heard.
    #[error("the ACME server does not answer: {0}")]
    Unreachable(String),
    /// That the domain is ours was not believed; another kind of proof may be.
    #[error("{0}")]
    NotProven(String),
    /// The server does not know the account that is kept.
    #[error("the ACME server does not know the account: {0}")]
    NoAccount(String),
    /// Anything else that was said.
    #[error("{0}")]
    Refused(String),
}

impl From<instant_acme::Error> for Failure {
    fn from(error: instant_acme::Error) -> Self {
        let text = error.to_string();
        match &error {
            instant_acme::Error::Api(problem) => {
                let kind = problem.r#type.as_deref().unwrap_or_default();
                if kind.ends_with(":accountDoesNotExist") { Self::NoAccount(text) } else { Self::Refused(text) }
            }
            instant_acme::Error::Other(_) => Self::Unreachable(text),
            _ => Self::Refused(text),
        }
    }
}

/// The proofs to try now. The first time one after the other; after that one each time, since the server counts.
pub(crate) fn kinds(challenge: Challenge, failures: u32) -> &'static [Kind] {
    match challenge {
        Challenge::Http01 => &[Kind::Http01],
        Challenge::TlsAlpn01 => &[Kind::TlsAlpn01],
        Challenge::Any if failures == 0 => &[Kind::Http01, Kind::TlsAlpn01],
        Challenge::Any if failures % 2 == 1 => &[Kind::Http01],
        Challenge::Any => &[Kind::TlsAlpn01],
    }
}

/// How long to wait after the nth failure, and after what the server has asked for.
pub(crate) fn wait(
    retry: Duration,
    failures: u32,
    failure: &Failure,
    asked: Option<Duration>,
    random: f64,
) -> Duration {
    let uncounted = matches!(failure, Failure::Unreachable(_) | Failure::NoAccount(_));
    let first = if uncounted { retry / SOONER } else { retry };
    let grown = first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(LONGEST);
    let jittered = grown.mul_f64(1.0 - JITTER + 2.0 * JITTER * random);
    jittered.max(asked.unwrap_or_default().min(LONGEST_ASKED))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn refused() -> Failure {
        Failure::Refused("no".into())
    }

    #[test]
    fn waits_grow_and_have_an_end() {
        let waits: Vec<_> = (1..40).map(|failures| wait(15 * MINUTE, failures, &refused(), None, 0.5)).collect();
        assert_eq!(waits[..3], [15 * MINUTE, 30 * MINUTE, 60 * MINUTE]);
        assert!(waits.is_sorted() && waits[38] == LONGEST);
        assert!(wait(15 * MINUTE, 1, &refused(), None, 0.0) < 15 * MINUTE);
        assert!(wait(15 * MINUTE, 1, &refused(), None, 1.0) > 15 * MINUTE);
    }

    #[test]
    fn a_server_that_was_not_reached_is_asked_sooner() {
        let away = Failure::Unreachable("away".into());
        assert_eq!(wait(10 * MINUTE, 1, &away, None, 0.5), MINUTE);
    }

    #[test]
    fn a_server_that_asks_for_time_gets_it() {
        let asked = |hours: u64| Some(Duration::from_secs(hours * 3600));
        assert_eq!(wait(MINUTE, 1, &refused(), asked(3), 0.5), Duration::from_secs(3 * 3600));
        assert_eq!(wait(MINUTE, 1, &refused(), asked(999), 0.5), LONGEST_ASKED);
    }

    /// Let's Encrypt: five failures for each name and hour.
    #[test]
    fn no_more_fail_in_an_hour_than_are_allowed() {
        let (mut at, mut times) = (Duration::ZERO, Vec::new());
        for failures in 0..20 {
            times.extend(kinds(Challenge::Any, failures).iter().map(|_| at));
            at += wait(15 * MINUTE, failures + 1, &refused(), None, 0.0);
        }
        let within = |start: &Duration| times.iter().filter(|at| *at >= start && **at < *start + 60 * MINUTE).count();
        assert!(times.iter().all(|start| within(start) <= 5), "{times:?}");
    }
}
