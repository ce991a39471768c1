//! TLS: what is served to whom, and whence it comes.
//!
//! `authority` signs for this machine's own names, `acme` orders for domains that the world knows, `folder` keeps both,
//! and `keep` renews them and takes in what another edge has written. Which one a client gets is chosen here, anew for
//! each handshake, so that a new one is served without a restart.

mod acme;
mod authority;
mod certificate;
mod challenge;
mod domain;
mod folder;
mod keep;
mod settings;
mod status;

use std::io;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use hyper::header::HeaderValue;
use thiserror::Error;
use tokio::sync::Notify;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

use authority::{Authority, NoAuthority};
use certificate::Certificate;
use challenge::Challenges;
use domain::Domain;
use folder::{Folder, Print};

pub(crate) use challenge::PROTOCOL as CHALLENGE;
pub use keep::{NoDomain, keep};
pub use settings::{Challenge, Http2, Names, TlsSettings};
pub use status::{Source, Status};

/// Always this machine's own.
const OWN_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// What all cores share of TLS.
#[derive(Debug)]
pub struct Tls {
    settings: TlsSettings,
    config: Arc<ServerConfig>,
    served: Arc<Served>,
    folder: Folder,
    /// Where the certificates of the ACME server lie.
    issued: Folder,
    /// How it is asked.
    web: acme::Web,
    /// Told that a person wants a certificate now.
    wanted: Notify,
    /// What a browser is told on a connection with a certificate that all the world trusts.
    promise: Option<HeaderValue>,
}

/// What is served now.
#[derive(Debug)]
struct Served {
    local: RwLock<Local>,
    domains: Vec<Domain>,
    challenges: Challenges,
}

/// The local authority, and what it signed last.
#[derive(Debug)]
struct Local {
    authority: Authority,
    print: Option<Print>,
    certificate: Certificate,
}

impl Local {
    /// What the folder has, or what is made there; and what was wrong with it.
    fn provide(folder: &Folder, names: &[String]) -> Result<(Self, Option<String>), NoAuthority> {
        let (authority, wrong) = Authority::provide(folder)?;
        let certificate = authority.sign(names)?;
        Ok((Self { authority, print: Authority::print(folder), certificate }, wrong))
    }
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
    /// Nobody is there to trust.
    #[error(
        "read the roots for the ACME server from {0}: {1}\n\nhint: --acme-root names a file in PEM form, or nothing"
    )]
    Roots(String, io::Error),
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
        let path = settings.certificates.display().to_string();
        let unusable = |error| NoTls::Folder(path.clone(), error);
        let folder = Folder::open(&settings.certificates).map_err(unusable)?;
        let (local, wrong) = Local::provide(&folder, &local_names(&settings))?;
        let mut wrong: Vec<String> = wrong.into_iter().collect();
        let challenges = Challenges::open(&folder).map_err(unusable)?;
        let issued = acme::folder(&folder, &settings).map_err(unusable)?;
        let domains: Vec<_> = settings.domains.0.iter().map(|name| Domain::new(name)).collect();
        wrong.extend(domains.iter().flat_map(|domain| domain.take_in(&issued)));
        let root = settings.acme_root.as_str();
        let roots = acme::roots(root).map_err(|error| NoTls::Roots(root.to_owned(), error))?;
        let web = acme::Web::new(roots)?;
        let promised = settings.https_redirect && settings.hsts_time >= Duration::from_secs(1);
        let promise = || HeaderValue::try_from(format!("max-age={}", settings.hsts_time.as_secs())).ok();
        let promise = promised.then(promise).flatten();
        let served = Arc::new(Served { local: RwLock::new(local), domains, challenges });
        let config = Arc::new(config(Arc::clone(&served))?);
        Ok((Self { settings, config, served, folder, issued, web, wanted: Notify::new(), promise }, wrong))
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

impl Tls {
    pub(crate) fn has_domains(&self) -> bool {
        !self.served.domains.is_empty()
    }

    /// Whether this name has a certificate that all the world trusts.
    pub(crate) fn is_issued(&self, name: &str) -> bool {
        self.served.domain(name).is_some_and(Domain::is_issued)
    }

    /// The proof that an ACME server asks for by this token.
    pub(crate) fn proof(&self, token: &str) -> Option<Vec<u8>> {
        self.served.challenges.text(token)
    }

    /// What a browser is told on a connection with a certificate that all the world trusts.
    pub(crate) fn promise(&self) -> Option<&HeaderValue> {
        self.promise.as_ref()
    }
}

impl Served {
    fn local(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.local.read().unwrap_or_else(PoisonError::into_inner).certificate.served)
    }

    fn domain(&self, name: &str) -> Option<&Domain> {
        self.domains.iter().find(|domain| domain.name.eq_ignore_ascii_case(name))
    }
}

impl ResolvesServerCert for Served {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let domain = hello.server_name().and_then(|name| self.domain(name));
        if hello.alpn().is_some_and(|mut protocols| protocols.any(|protocol| protocol == challenge::PROTOCOL)) {
            return self.challenges.certificate(&domain?.name);
        }
        domain.and_then(Domain::served).or_else(|| Some(self.local()))
    }
}

fn config(served: Arc<Served>) -> Result<ServerConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    if !served.domains.is_empty() {
        protocols.push(challenge::PROTOCOL.to_vec());
    }
    let mut config = builder.with_no_client_auth().with_cert_resolver(served);
    config.alpn_protocols = protocols;
    // All cores take up a session that any of them began, since none of them has to remember it.
    config.ticketer = rustls::crypto::ring::Ticketer::new()?;
    Ok(config)
}

/// What the local certificate is for. It also stands in for the domains until they have theirs.
fn local_names(settings: &TlsSettings) -> Vec<String> {
    let mut names: Vec<String> = OWN_NAMES.map(str::to_owned).to_vec();
    for name in settings.local_names.0.iter().chain(&settings.domains.0) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}
