//! TLS: what is served to whom, and whence it comes.
//!
//! `authority` signs for this machine's own names, `acme` orders for domains that the world knows, `folder` keeps both,
//! and `keep` renews them and takes in what another edge has written. Which one a client gets is chosen here, anew for
//! each handshake, so that a new one is served without a restart.

mod authority;
#[expect(dead_code, reason = "for what is ordered, which comes next")]
mod certificate;
#[expect(dead_code, reason = "for what is ordered, which comes next")]
mod folder;
mod keep;
mod settings;
mod status;

use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use thiserror::Error;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

use authority::{Authority, NoAuthority};
use certificate::Certificate;
use folder::Folder;

pub use keep::keep;
pub use settings::{Challenge, Http2, TlsSettings};
pub use status::{Source, Status};

/// Always this machine's own.
const OWN_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// What all cores share of TLS.
#[derive(Debug)]
pub struct Tls {
    settings: TlsSettings,
    config: Arc<ServerConfig>,
    served: Arc<Served>,
    #[expect(dead_code, reason = "for what is ordered, which comes next")]
    folder: Folder,
}

/// What is served now.
#[derive(Debug)]
struct Served {
    local: RwLock<Local>,
}

/// The local authority, and what it signed last.
#[derive(Debug)]
struct Local {
    authority: Authority,
    certificate: Certificate,
}

/// Why there is no TLS.
#[derive(Debug, Error)]
pub enum NoTls {
    /// The folder cannot be used.
    #[error(
        "use the folder {0}: {1}\n\nhint: it has to be a volume that the edge may write to; --certificates names another one"
    )]
    Folder(String, io::Error),
    /// There is no local authority.
    #[error("make a certificate: {0}\n\nhint: see to the folder of --certificates")]
    Authority(String),
    /// The library refuses.
    #[error("set TLS up: {0}")]
    Rustls(#[from] rustls::Error),
}

impl From<NoAuthority> for NoTls {
    fn from(error: NoAuthority) -> Self {
        Self::Authority(error.to_string())
    }
}

impl Tls {
    /// TLS with what is in the folder, and a local authority where it has none. Also what was wrong there.
    ///
    /// # Errors
    ///
    /// The folder cannot be used.
    pub fn open(settings: TlsSettings) -> Result<(Self, Vec<String>), NoTls> {
        let path = &settings.certificates;
        let folder = Folder::open(path).map_err(|error| NoTls::Folder(path.display().to_string(), error))?;
        let (authority, wrong) = Authority::provide(&folder)?;
        let certificate = authority.sign(&local_names(&settings))?;
        let served = Arc::new(Served { local: RwLock::new(Local { authority, certificate }) });
        let config = config(Arc::clone(&served))?;
        Ok((Self { settings, config: Arc::new(config), served, folder }, wrong.into_iter().collect()))
    }

    /// What was set.
    #[must_use]
    pub fn settings(&self) -> &TlsSettings {
        &self.settings
    }

    /// What a handshake goes by.
    pub(crate) fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// The certificate of the local authority, for those who are to trust it.
    #[must_use]
    pub fn authority(&self) -> String {
        self.served.local.read().unwrap_or_else(PoisonError::into_inner).authority.pem.clone()
    }
}

impl Served {
    fn local(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.local.read().unwrap_or_else(PoisonError::into_inner).certificate.served)
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.local())
    }
}

fn config(served: Arc<Served>) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = builder.with_no_client_auth().with_cert_resolver(served);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // All cores take up a session that any of them began, since none of them has to remember it.
    config.ticketer = rustls::crypto::ring::Ticketer::new()?;
    Ok(config)
}

/// What the local certificate is for. It also stands in for the domains until they have theirs.
fn local_names(settings: &TlsSettings) -> Vec<String> {
    let mut names: Vec<String> = OWN_NAMES.map(str::to_owned).to_vec();
    for name in settings.local_names.iter().chain(&settings.domains) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}
