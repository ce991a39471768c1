//! How the certificates stand, for an operator and for who measures.

use std::sync::PoisonError;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::Tls;
use super::domain::Domain;

/// Who has signed a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The local authority.
    Local,
    /// The ACME server.
    Acme,
}

/// One certificate, or a domain that waits for its first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The names and addresses that it is for.
    pub names: Vec<String>,
    /// Its end; none where there is none yet.
    #[serde(with = "moment")]
    pub not_after: Option<SystemTime>,
    /// Who has signed it, or is to.
    pub source: Source,
    /// Why the last attempt to get or to renew it failed; none where it did not.
    pub last_error: Option<String>,
}

impl Tls {
    /// How the certificates stand, the local one first.
    #[must_use]
    pub fn status(&self) -> Vec<Status> {
        let local = self.served.local.read().unwrap_or_else(PoisonError::into_inner);
        let certificate = &local.certificate;
        let local = Status {
            names: certificate.names.clone(),
            not_after: Some(certificate.not_after),
            source: Source::Local,
            last_error: None,
        };
        std::iter::once(local).chain(self.served.domains.iter().map(Domain::status)).collect()
    }
}

/// A time as RFC 3339 has it.
mod moment {
    use std::time::SystemTime;

    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "serde asks in this form")]
    pub(super) fn serialize<S: Serializer>(moment: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
        match moment {
            Some(moment) => serializer.collect_str(&humantime::format_rfc3339_seconds(*moment)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| humantime::parse_rfc3339(&text).map_err(D::Error::custom)).transpose()
    }
}
