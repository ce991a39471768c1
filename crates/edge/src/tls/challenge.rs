//! Proofs that a domain is ours, as the ACME server asks for them. They lie in a folder, since it may ask the other of two
//! edges that run side by side.

use std::io;
use std::sync::Arc;

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;

use super::folder::Folder;

/// Spoken by an ACME server alone (RFC 8737).
pub(crate) const PROTOCOL: &[u8] = b"acme-tls/1";

/// Longer than any ACME server's token.
const LONGEST_TOKEN: usize = 128;

/// The proofs that lie there now.
#[derive(Debug, Clone)]
pub(crate) struct Challenges(Folder);

/// A proof, until it is dropped.
#[derive(Debug)]
pub(crate) struct Posted {
    folder: Folder,
    file: String,
}

impl Drop for Posted {
    fn drop(&mut self) {
        self.folder.remove(&self.file);
    }
}

impl Challenges {
    pub(crate) fn open(folder: &Folder) -> io::Result<Self> {
        Ok(Self(folder.within("challenges")?))
    }

    /// Takes away what an edge that ended in the midst of an order has left. Whoever calls has the lock for orders.
    pub(crate) fn clear(&self) {
        self.0.clear();
    }

    /// A text for who asks for this token (RFC 8555, section 8.3).
    pub(crate) fn post_text(&self, token: &str, text: &str) -> io::Result<Posted> {
        if !is_token(token) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the token is none"));
        }
        self.post(text_file(token), text)
    }

    /// A certificate that says it, for a handshake that asks for nothing else.
    pub(crate) fn post_certificate(&self, domain: &str, digest: &[u8]) -> io::Result<Posted> {
        let made = || -> Result<String, rcgen::Error> {
            let mut params = CertificateParams::new(vec![domain.to_owned()])?;
            params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
            let key = KeyPair::generate()?;
            Ok(key.serialize_pem() + &params.self_signed(&key)?.pem())
        };
        self.post(certificate_file(domain), &made().map_err(io::Error::other)?)
    }

    fn post(&self, file: String, text: &str) -> io::Result<Posted> {
        self.0.write(&file, text.as_bytes())?;
        Ok(Posted { folder: self.0.clone(), file })
    }

    /// What is said to who asks for this token.
    pub(crate) fn text(&self, token: &str) -> Option<Vec<u8>> {
        is_token(token).then(|| self.0.read(&text_file(token)).ok().flatten()).flatten()
    }

    /// The certificate for a domain of ours.
    pub(crate) fn certificate(&self, domain: &str) -> Option<Arc<CertifiedKey>> {
        let bytes = self.0.read(&certificate_file(domain)).ok().flatten()?;
        let certificate = CertificateDer::from_pem_slice(&bytes).ok()?;
        let key = ring::sign::any_supported_type(&PrivateKeyDer::from_pem_slice(&bytes).ok()?).ok()?;
        // Not looked at any further: it says something that no other certificate does, and must.
        Some(Arc::new(CertifiedKey::new(vec![certificate], key)))
    }
}

/// What can be a file's name and nothing else.
fn is_token(token: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    (1..=LONGEST_TOKEN).contains(&token.len()) && token.bytes().all(is_plain)
}

fn text_file(token: &str) -> String {
    format!("http-01-{token}")
}

fn certificate_file(domain: &str) -> String {
    format!("tls-alpn-01-{domain}.pem")
}

#[cfg(test)]
mod tests {
    use super::super::folder::tests::Scratch;
    use super::*;

    #[test]
    fn a_proof_is_there_while_it_is_needed_and_for_each_edge() {
        let scratch = Scratch::new("challenges");
        let (one, other) = (Challenges::open(&scratch.open()).expect("one"), Challenges::open(&scratch.open()));
        let other = other.expect("another");
        let posted = one.post_text("abc_-1", "abc_-1.xyz").expect("it is posted");
        assert_eq!(other.text("abc_-1").as_deref(), Some(&b"abc_-1.xyz"[..]));
        drop(posted);
        assert_eq!(other.text("abc_-1"), None);
        std::mem::forget(one.post_text("left", "left.xyz").expect("it is posted"));
        one.clear();
        assert_eq!(other.text("left"), None);
        let _posted = one.post_certificate("a.example", &[7; 32]).expect("it is posted");
        assert!(other.certificate("a.example").is_some() && other.certificate("b.example").is_none());
    }

    #[test]
    fn no_stranger_reads_another_file() {
        let scratch = Scratch::new("challenges-strangers");
        let folder = scratch.open();
        folder.write("authority.pem", b"secret").expect("it is written");
        let challenges = Challenges::open(&folder).expect("challenges");
        for token in ["", "..", "../authority.pem", "x/../../authority.pem", "a\0b", "a.pem", &"x".repeat(200)] {
            assert_eq!(challenges.text(token), None, "{token}");
        }
    }
}
