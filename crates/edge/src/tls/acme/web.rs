//! Requests to the ACME server: a connection each, since there are a dozen in two months.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore};

/// A chain of certificates takes some kilobytes.
const LONGEST_ANSWER: usize = 1024 * 1024;

/// For a request and its whole answer.
const TIME: Duration = Duration::from_secs(30);

type Wrong = Box<dyn std::error::Error + Send + Sync>;

/// A client of one ACME server.
#[derive(Debug, Clone)]
pub(crate) struct Web {
    config: Arc<ClientConfig>,
    /// How long the server asked us to wait when it last refused.
    asked: Arc<Mutex<Option<Duration>>>,
}

impl Web {
    pub(crate) fn new(roots: RootCertStore) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let config = builder.with_root_certificates(roots).with_no_client_auth();
        Ok(Self { config: Arc::new(config), asked: Arc::default() })
    }

    /// What the server asked for since this was last looked at.
    pub(crate) fn asked(&self) -> Option<Duration> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Whom an ACME server is believed: the authorities of the web, and what a file names.
pub(crate) fn roots(file: &str) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if !file.is_empty() {
        let wrong = |error: &dyn std::fmt::Display| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
        let bytes = std::fs::read(file)?;
        let mut found = false;
        for root in CertificateDer::pem_slice_iter(&bytes) {
            roots.add(root.map_err(|error| wrong(&error))?).map_err(|error| wrong(&error))?;
            found = true;
        }
        if !found {
            return Err(wrong(&"there is no certificate in it"));
        }
    }
    Ok(roots)
}

impl HttpClient for Web {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let (config, asked) = (Arc::clone(&self.config), Arc::clone(&self.asked));
        Box::pin(async move {
            let answered =
                timeout(TIME, ask(config, request)).await.unwrap_or_else(|_| Err("no answer in time".into()));
            let response = answered.map_err(Error::Other)?;
            if response.status().is_client_error() || response.status().is_server_error() {
                let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
                let mut asked = asked.lock().unwrap_or_else(PoisonError::into_inner);
                *asked = asked.take().max(seconds.map(Duration::from_secs));
            }
            Ok(response.into())
        })
    }
}

async fn ask(
    config: Arc<ClientConfig>,
    mut request: Request<BodyWrapper<Bytes>>,
) -> Result<Response<Full<Bytes>>, Wrong> {
    let uri = request.uri().clone();
    if uri.scheme_str() != Some("https") {
        return Err(format!("{uri} is not https").into());
    }
    let authority = uri.authority().ok_or("the address has no host")?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let stream = TcpStream::connect((host.as_str(), authority.port_u16().unwrap_or(443))).await;
    let stream = stream.map_err(|error| format!("connect to {authority}: {error}"))?;
    let name = ServerName::try_from(host)?;
    let stream = TlsConnector::from(config).connect(name, stream).await;
    let stream = stream.map_err(|error| format!("speak TLS with {authority}: {error}"))?;
    request.headers_mut().insert(HOST, HeaderValue::from_str(authority.as_str())?);
    if let Some(path) = uri.path_and_query() {
        *request.uri_mut() = path.clone().into();
    }
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let answer = async {
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let body = Limited::new(body, LONGEST_ANSWER).collect().await?.to_bytes();
        Ok::<_, Wrong>(Response::from_parts(parts, Full::new(body)))
    };
    let mut answer = std::pin::pin!(answer);
    tokio::select! {
        answered = &mut answer => answered,
        // The end of the connection may be seen before the last of what came on it.
        _ = connection => answer.await,
    }
}
