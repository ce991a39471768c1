//! The account at the ACME server, made once and kept.

use instant_acme::{Account, AccountCredentials, NewAccount};

use super::failure::Failure;
use super::web::Web;
use crate::tls::folder::Folder;
use crate::tls::settings::TlsSettings;

const FILE: &str = "account.json";

/// How the ACME server is spoken to.
pub(crate) struct Contact<'a> {
    pub(crate) settings: &'a TlsSettings,
    pub(crate) folder: &'a Folder,
    pub(crate) web: &'a Web,
    /// Told what was wrong.
    pub(crate) tell: &'a (dyn Fn(&str) + Sync),
}

impl Contact<'_> {
    /// The account that is kept, or a new one.
    pub(super) async fn account(&self) -> Result<Account, Failure> {
        let builder = || Account::builder_with_http(Box::new(self.web.clone()));
        if let Some(credentials) = self.kept()? {
            return Ok(builder().from_credentials(credentials).await?);
        }
        let address = format!("mailto:{}", self.settings.acme_contact);
        let contact: Vec<&str> =
            Some(&*address).filter(|_| !self.settings.acme_contact.is_empty()).into_iter().collect();
        // Who sets domains agrees: the documents say so.
        let new = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let made = builder().create(&new, self.settings.acme_directory.clone(), None).await;
        let (account, credentials) = made?;
        let failed = |error: std::io::Error| Failure::Refused(format!("keep the account: {error}"));
        let text = serde_json::to_vec(&credentials).map_err(|error| failed(error.into()))?;
        self.folder.write(FILE, &text).map_err(failed)?;
        Ok(account)
    }

    /// What the server does not know is put aside; the next order makes a new one.
    pub(super) fn forget(&self) {
        self.put_aside(&"the ACME server does not know this account");
    }

    fn kept(&self) -> Result<Option<AccountCredentials>, Failure> {
        let read = self.folder.read(FILE).map_err(|error| Failure::Refused(format!("read the account: {error}")))?;
        let Some(bytes) = read else { return Ok(None) };
        match serde_json::from_slice(&bytes) {
            Ok(credentials) => Ok(Some(credentials)),
            Err(error) => {
                self.put_aside(&error);
                Ok(None)
            }
        }
    }

    fn put_aside(&self, wrong: &dyn std::fmt::Display) {
        (self.tell)(&self.folder.put_aside(FILE, wrong));
    }
}
