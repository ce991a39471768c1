//! A certificate and its key, as they are kept in one file and served.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use thiserror::Error;
use tokio_rustls::rustls;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// Ready to be served.
#[derive(Debug, Clone)]
pub(crate) struct Certificate {
    pub(crate) served: Arc<CertifiedKey>,
    /// The names and addresses that it is for.
    pub(crate) names: Vec<String>,
    pub(crate) not_before: SystemTime,
    pub(crate) not_after: SystemTime,
}

/// The last line of a file: one that was cut between two certificates looks whole without it.
const END: &str = "# end of file\n";

/// The text of a file with this key and chain, each in PEM form.
pub(crate) fn file(key: &str, chain: &str) -> String {
    format!("{key}{chain}{END}")
}

/// A file that has no certificate with its key.
#[derive(Debug, Error)]
pub(crate) enum NoCertificate {
    #[error("it is not in PEM form: {0}")]
    Pem(#[from] pem::Error),
    #[error("there is no certificate in it")]
    Empty,
    #[error("it has no end")]
    Cut,
    #[error("its certificate cannot be read")]
    Unread,
    #[error("its key does not serve: {0}")]
    Key(#[from] rustls::Error),
    #[error("it is not for `{0}`")]
    NotFor(String),
}

impl Certificate {
    /// From a file with a key and a chain, the certificate itself before those that speak for it.
    pub(crate) fn from_pem(bytes: &[u8]) -> Result<Self, NoCertificate> {
        if !bytes.ends_with(END.as_bytes()) {
            return Err(NoCertificate::Cut);
        }
        let chain = CertificateDer::pem_slice_iter(bytes).collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(bytes)?;
        Self::new(chain, key)
    }

    pub(crate) fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<Self, NoCertificate> {
        let first = chain.first().ok_or(NoCertificate::Empty)?;
        let (_, parsed) = X509Certificate::from_der(first).map_err(|_| NoCertificate::Unread)?;
        let names = names(&parsed);
        let (not_before, not_after) = (parsed.validity().not_before, parsed.validity().not_after);
        let served = CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())?;
        Ok(Self {
            served: Arc::new(served),
            names,
            not_before: time(not_before.timestamp()),
            not_after: time(not_after.timestamp()),
        })
    }

    /// The same, if it is for this name.
    pub(crate) fn for_name(self, name: &str) -> Result<Self, NoCertificate> {
        let found = self.names.iter().any(|own| own.eq_ignore_ascii_case(name));
        if found { Ok(self) } else { Err(NoCertificate::NotFor(name.to_owned())) }
    }

    /// When it is to be renewed: with a third of its time left, so that many attempts may fail before it ends.
    pub(crate) fn due(&self) -> SystemTime {
        let lifetime = self.not_after.duration_since(self.not_before).unwrap_or_default();
        self.not_before + lifetime * 2 / 3
    }
}

fn names(parsed: &X509Certificate<'_>) -> Vec<String> {
    let alternative = parsed.subject_alternative_name().ok().flatten();
    let names = alternative.iter().flat_map(|extension| &extension.value.general_names);
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    };
    names.filter_map(text).collect()
}

fn address(bytes: &[u8]) -> Option<String> {
    let four = <[u8; 4]>::try_from(bytes).map(|bytes| std::net::IpAddr::from(bytes).to_string());
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| std::net::IpAddr::from(bytes).to_string())).ok()
}

/// A certificate of before 1970 has ended in any case.
fn time(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
