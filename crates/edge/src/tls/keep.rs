//! Renews what ends.

use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use tokio::time::sleep;

use super::{Tls, local_names};

/// Renews the certificates before their end. Ends never.
pub async fn keep(tls: Arc<Tls>, tell: impl Fn(&str)) {
    loop {
        if let Err(error) = tls.renew_local(SystemTime::now()) {
            tell(&format!("cannot renew the local certificate: {error}"));
        }
        sleep(tls.settings.look).await;
    }
}

impl Tls {
    fn renew_local(&self, now: SystemTime) -> Result<(), super::NoAuthority> {
        let mut local = self.served.local.write().unwrap_or_else(PoisonError::into_inner);
        if local.certificate.due() <= now {
            local.certificate = local.authority.sign(&local_names(&self.settings))?;
        }
        Ok(())
    }
}

/// A domain that is not ours.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is none of the domains\n\nhint: EDGE_DOMAINS names them")]
pub struct NoDomain(String);

impl Tls {
    /// Orders a certificate for the domain at the next look.
    ///
    /// # Errors
    ///
    /// It is none of ours.
    pub fn renew(&self, domain: &str) -> Result<(), NoDomain> {
        Err(NoDomain(domain.to_owned()))
    }
}
