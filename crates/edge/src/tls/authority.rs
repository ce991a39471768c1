//! The local authority: made on the first start and kept, so that a person who trusts it once trusts every certificate
//! that it signs. What it signs is made anew at each start, and is kept nowhere.

use std::io;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use thiserror::Error;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::certificate::{Certificate, NoCertificate, file};
use super::folder::{Folder, Print};

const FILE: &str = "authority.pem";
/// Held while the file is looked at and made: two edges that start at once have one authority.
const LOCK: &str = "authority.lock";

/// Longer than a machine lives: who trusts it is not asked again.
const AUTHORITY_TIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// What it signs. Clients refuse more than some 400 days, also of authorities that they were told to trust.
const LEAF_TIME: Duration = Duration::from_secs(90 * 24 * 3600);

/// Clocks of clients may be late.
const EARLIER: Duration = Duration::from_secs(24 * 3600);

/// An authority that can sign.
#[derive(Debug)]
pub(crate) struct Authority {
    /// Its certificate, for those who are to trust it.
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// Why there is none.
#[derive(Debug, Error)]
pub(crate) enum NoAuthority {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Certificate(#[from] NoCertificate),
    #[error("it cannot sign: {0}")]
    Sign(#[from] rcgen::Error),
    #[error("it ends soon")]
    Ends,
}

impl Authority {
    /// Which file has the one that is kept.
    pub(crate) fn print(folder: &Folder) -> Option<Print> {
        folder.print(FILE)
    }

    /// The one that is kept, or a new one; and what was wrong with the one that was kept.
    pub(crate) fn provide(folder: &Folder) -> Result<(Self, Option<String>), NoAuthority> {
        let _one_at_a_time = folder.lock(LOCK)?;
        let wrong = match folder.read(FILE)?.map(|bytes| Self::from_pem(&bytes)) {
            Some(Ok(authority)) => return Ok((authority, None)),
            Some(Err(wrong)) => Some(folder.put_aside(FILE, &wrong)),
            None => None,
        };
        let text = make()?;
        folder.write(FILE, text.as_bytes())?;
        Ok((Self::from_pem(text.as_bytes())?, wrong))
    }

    fn from_pem(bytes: &[u8]) -> Result<Self, NoAuthority> {
        let certificate = Certificate::from_pem(bytes)?;
        if certificate.not_after < SystemTime::now() + LEAF_TIME {
            return Err(NoAuthority::Ends);
        }
        let key = PrivateKeyDer::from_pem_slice(bytes).map_err(NoCertificate::from)?;
        let der = CertificateDer::from_pem_slice(bytes).map_err(NoCertificate::from)?;
        let issuer = Issuer::from_ca_cert_der(&der, KeyPair::try_from(&key)?)?;
        Ok(Self { pem: without_key(bytes), issuer })
    }

    /// A certificate for these names, by a key of its own.
    pub(crate) fn sign(&self, names: &[String]) -> Result<Certificate, NoAuthority> {
        let mut params = params(names.to_vec(), "mainstay edge", LEAF_TIME)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let signed = params.signed_by(&key, &self.issuer)?;
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        Ok(Certificate::new(vec![signed.der().clone()], key)?)
    }
}

/// A new one: its key and its certificate.
fn make() -> Result<String, rcgen::Error> {
    // Told apart in a list of trusted ones, where others of ours may stand.
    let name = format!("mainstay local authority {:08x}", fastrand::u32(..));
    let mut params = params(Vec::new(), &name, AUTHORITY_TIME)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok(file(&key.serialize_pem(), &certificate.pem()))
}

fn params(names: Vec<String>, name: &str, time: Duration) -> Result<CertificateParams, rcgen::Error> {
    let now = SystemTime::now();
    let mut params = CertificateParams::new(names)?;
    params.not_before = (now - EARLIER).into();
    params.not_after = (now + time).into();
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}

/// The certificate alone, which stands behind the key.
fn without_key(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let start = text.find("-----BEGIN CERTIFICATE-----").unwrap_or(text.len());
    let lines = text.get(start..).unwrap_or_default().lines().filter(|line| !line.starts_with('#'));
    lines.fold(String::new(), |text, line| text + line + "\n")
}

#[cfg(test)]
mod tests {
    use super::super::folder::tests::Scratch;
    use super::*;

    fn names() -> Vec<String> {
        ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec()
    }

    #[test]
    fn it_is_made_once_and_tells_nobody_its_key() {
        let scratch = Scratch::new("authority");
        let (first, wrong) = Authority::provide(&scratch.open()).expect("an authority");
        let (second, _) = Authority::provide(&scratch.open()).expect("an authority");
        assert_eq!((first.pem.as_str(), wrong), (second.pem.as_str(), None));
        assert!(first.pem.starts_with("-----BEGIN CERTIFICATE-----") && !first.pem.contains("KEY"), "{}", first.pem);
        assert_eq!(second.sign(&names()).expect("a certificate").names, names());
    }

    #[test]
    fn one_that_cannot_be_used_is_put_aside_and_replaced() {
        let scratch = Scratch::new("authority-corrupt");
        let folder = scratch.open();
        let (first, _) = Authority::provide(&folder).expect("an authority");
        let whole = folder.read(FILE).expect("it is read").expect("it is there");
        for broken in [&b""[..], b"{", &whole[..whole.len() / 2], &whole[..whole.len() - 1], first.pem.as_bytes()] {
            folder.write(FILE, broken).expect("it is written");
            let (next, wrong) = Authority::provide(&folder).expect("an authority");
            assert_ne!(first.pem, next.pem);
            assert!(wrong.expect("a warning").contains("authority.pem.unreadable"));
            assert_eq!(folder.read("authority.pem.unreadable").expect("it is read").as_deref(), Some(broken));
        }
    }

    #[test]
    fn what_it_signs_is_renewed_with_a_third_of_its_time_left() {
        let scratch = Scratch::new("authority-due");
        let (authority, _) = Authority::provide(&scratch.open()).expect("an authority");
        let signed = authority.sign(&names()).expect("a certificate");
        let day = Duration::from_secs(24 * 3600);
        assert!(signed.due() > SystemTime::now() + 55 * day && signed.due() < SystemTime::now() + 65 * day);
    }

    proptest::proptest! {
        #[test]
        fn nothing_in_the_file_makes_it_fail(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..90)) {
            proptest::prop_assert!(Authority::from_pem(&bytes).is_err());
        }
    }
}
