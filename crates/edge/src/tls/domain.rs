//! One domain: its certificate as it was issued last, and how the attempts to get the next one went.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::sign::CertifiedKey;

use super::certificate::{Certificate, NoCertificate};
use super::folder::{Folder, Print};
use super::status::{Source, Status};

/// The part of its lifetime by which a renewal is earlier at random, so that not all edges of the world renew at once.
const EARLIER: f64 = 0.03;

/// No wait after a failure is longer, with some room.
const LONGEST_WAIT_S: u64 = 48 * 3600;

/// A domain for which certificates are ordered.
#[derive(Debug)]
pub(crate) struct Domain {
    pub(crate) name: String,
    /// Whether there is a certificate of the ACME server: asked with each request, so without a lock.
    issued: AtomicBool,
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    issued: Option<Issued>,
    /// The file that it is from; none where that is gone, so that a new one is ordered while the old one serves.
    print: Option<Print>,
    trouble: Trouble,
    trouble_print: Option<Print>,
    /// Whether a person wants a new one, until it is there.
    wanted: bool,
    /// Whether they do not wait for it, whatever failed before. Said once for one attempt.
    at_once: bool,
}

#[derive(Debug)]
struct Issued {
    certificate: Certificate,
    due: SystemTime,
}

/// The attempts that failed since the last that did not. Kept over a restart: the ACME server counts them too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trouble {
    pub(crate) failures: u32,
    /// No attempt before this, in seconds since 1970.
    pub(crate) next_s: u64,
    pub(crate) error: String,
}

impl Domain {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), issued: AtomicBool::new(false), state: RwLock::default() }
    }

    /// Whether it has a certificate of the ACME server.
    pub(crate) fn is_issued(&self) -> bool {
        self.issued.load(Ordering::Acquire)
    }

    pub(crate) fn served(&self) -> Option<Arc<CertifiedKey>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.issued.as_ref().map(|issued| Arc::clone(&issued.certificate.served))
    }

    /// Takes in what is in the folder; what was wrong there.
    pub(crate) fn take_in(&self, folder: &Folder) -> Vec<String> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let mut wrong = Vec::new();
        let print = folder.print(&self.file());
        if print != state.print {
            state.print = print;
            match folder.read(&self.file()).map(|bytes| bytes.map(|bytes| self.parse(&bytes))) {
                Ok(Some(Ok(certificate))) => {
                    let due = earlier(&certificate);
                    state.issued = Some(Issued { certificate, due });
                    state.wanted = false;
                    self.issued.store(true, Ordering::Release);
                }
                Ok(Some(Err(error))) => {
                    wrong.push(folder.put_aside(&self.file(), &error));
                    state.print = None;
                }
                // Gone: the one that was read before serves on.
                Ok(None) => {}
                Err(error) => wrong.push(format!("cannot read {}: {error}", folder.path(&self.file()).display())),
            }
        }
        let print = folder.print(&self.trouble_file());
        if print != state.trouble_print {
            state.trouble_print = print;
            match read_trouble(folder, &self.trouble_file()) {
                Ok(trouble) => state.trouble = trouble,
                Err(error) => wrong.push(folder.put_aside(&self.trouble_file(), &error)),
            }
        }
        wrong
    }

    fn parse(&self, bytes: &[u8]) -> Result<Certificate, NoCertificate> {
        Certificate::from_pem(bytes)?.for_name(&self.name)
    }

    /// Whether a certificate is to be ordered now.
    pub(crate) fn is_due(&self, now: SystemTime) -> bool {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let now_s = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        // Further away than any wait is, a clock was wrong.
        let may = !(now_s + 1..now_s + LONGEST_WAIT_S).contains(&state.trouble.next_s);
        let ends = state.issued.as_ref().is_none_or(|issued| issued.due <= now);
        state.at_once || may && (ends || state.wanted || state.print.is_none())
    }

    /// A person wants a new one, whatever failed before.
    pub(crate) fn want(&self) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        (state.wanted, state.at_once) = (true, true);
    }

    /// An attempt begins. How many have failed before.
    pub(crate) fn begin(&self) -> u32 {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.at_once = false;
        state.trouble.failures
    }

    /// Keeps a certificate with its key, and takes it in.
    pub(crate) fn keep(&self, folder: &Folder, pem: &str) -> Result<(), String> {
        let parsed = self.parse(pem.as_bytes());
        parsed.map_err(|error| format!("what the ACME server sent does not serve: {error}"))?;
        let failed = |error| format!("keep it in {}: {error}", folder.path(&self.file()).display());
        folder.write(&self.file(), pem.as_bytes()).map_err(failed)?;
        folder.remove(&self.trouble_file());
        let _ = self.take_in(folder);
        Ok(())
    }

    /// Keeps what went wrong.
    pub(crate) fn fail(&self, folder: &Folder, trouble: Trouble) -> Result<(), String> {
        let text = serde_json::to_vec_pretty(&trouble).map_err(|error| error.to_string())?;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        // Also where it cannot be kept, so that the next attempt is not made at once.
        state.trouble = trouble;
        let kept = folder.write(&self.trouble_file(), &text);
        state.trouble_print = folder.print(&self.trouble_file());
        kept.map_err(|error| format!("write {}: {error}", folder.path(&self.trouble_file()).display()))
    }

    pub(crate) fn status(&self) -> Status {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let issued = state.issued.as_ref().map(|issued| &issued.certificate);
        Status {
            names: issued.map_or_else(|| vec![self.name.clone()], |certificate| certificate.names.clone()),
            not_after: issued.map(|certificate| certificate.not_after),
            source: Source::Acme,
            last_error: Some(state.trouble.error.clone()).filter(|error| !error.is_empty()),
        }
    }

    fn file(&self) -> String {
        format!("{}.pem", self.name)
    }

    fn trouble_file(&self) -> String {
        format!("{}.trouble.json", self.name)
    }
}

fn read_trouble(folder: &Folder, file: &str) -> std::io::Result<Trouble> {
    match folder.read(file)? {
        Some(bytes) => Ok(serde_json::from_slice(&bytes)?),
        None => Ok(Trouble::default()),
    }
}

fn earlier(certificate: &Certificate) -> SystemTime {
    let lifetime = certificate.not_after.duration_since(certificate.not_before).unwrap_or_default();
    certificate.due() - lifetime.mul_f64(EARLIER * fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::super::certificate::file;
    use std::time::Duration;

    use super::super::folder::tests::Scratch;
    use super::*;

    /// A certificate for the name that ended or ends so many seconds from now, of a lifetime of 300.
    fn pem(name: &str, left_s: u64) -> String {
        let mut params = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let end = SystemTime::now() + Duration::from_secs(left_s);
        params.not_before = (end - Duration::from_secs(300)).into();
        params.not_after = end.into();
        let key = rcgen::KeyPair::generate().expect("a key");
        file(&key.serialize_pem(), &params.self_signed(&key).expect("a certificate").pem())
    }

    #[test]
    fn what_another_edge_wrote_is_taken_in() {
        let scratch = Scratch::new("domain");
        let (folder, domain) = (scratch.open(), Domain::new("a.example"));
        assert!(domain.take_in(&folder).is_empty() && !domain.is_issued() && domain.is_due(SystemTime::now()));
        folder.write("a.example.pem", pem("a.example", 290).as_bytes()).expect("it is written");
        assert!(domain.take_in(&folder).is_empty() && domain.is_issued() && !domain.is_due(SystemTime::now()));
        let first = domain.served().expect("one");
        folder.write("a.example.pem", pem("a.example", 90).as_bytes()).expect("it is written");
        assert!(domain.take_in(&folder).is_empty() && domain.is_due(SystemTime::now()), "a third of its time is left");
        assert!(!Arc::ptr_eq(&first, &domain.served().expect("one")));
    }

    #[test]
    fn a_file_that_cannot_be_used_is_put_aside_and_the_one_before_serves() {
        let scratch = Scratch::new("domain-corrupt");
        let (folder, domain) = (scratch.open(), Domain::new("a.example"));
        let good = pem("a.example", 290);
        let (key, certificate) = good.split_at(good.find("-----BEGIN CERT").expect("both"));
        let cut = good.split_at(good.len() - 15).0;
        let of_another_key = pem("a.example", 290).split_at(key.len()).0.to_owned() + certificate;
        let broken = ["", "{", &good[..good.len() / 2], key, certificate, cut, &of_another_key, &pem("b.example", 290)];
        for broken in broken {
            folder.write("a.example.pem", good.as_bytes()).expect("it is written");
            assert!(domain.take_in(&folder).is_empty() && !domain.is_due(SystemTime::now()));
            let before = domain.served().expect("one");
            folder.write("a.example.pem", broken.as_bytes()).expect("it is written");
            let wrong = domain.take_in(&folder);
            assert!(wrong.len() == 1 && wrong[0].contains("a.example.pem.unreadable"), "{wrong:?}");
            assert!(Arc::ptr_eq(&before, &domain.served().expect("one")));
            assert!(domain.is_due(SystemTime::now()), "a new one is ordered");
        }
    }

    #[test]
    fn after_a_failure_it_waits_also_over_a_restart_unless_a_person_wants_it() {
        let scratch = Scratch::new("domain-trouble");
        let (folder, domain) = (scratch.open(), Domain::new("a.example"));
        let now_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("now").as_secs();
        let trouble = |next_s| Trouble { failures: 2, next_s, error: "no".into() };
        domain.fail(&folder, trouble(u64::MAX)).expect("it is kept");
        assert!(domain.is_due(SystemTime::now()), "no clock that was wrong makes it wait for ever");
        domain.fail(&folder, trouble(now_s + 3600)).expect("it is kept");
        let domain = Domain::new("a.example");
        assert!(domain.take_in(&folder).is_empty() && !domain.is_due(SystemTime::now()));
        assert_eq!(domain.status().last_error.as_deref(), Some("no"));
        domain.want();
        assert!(domain.is_due(SystemTime::now()));
        assert_eq!(domain.begin(), 2);
        assert!(!domain.is_due(SystemTime::now()), "what they wanted failed, and waits as others do");
        domain.fail(&folder, trouble(now_s)).expect("it is kept");
        assert!(domain.is_due(SystemTime::now()));
        domain.keep(&folder, &pem("a.example", 290)).expect("it is kept");
        assert_eq!((domain.is_due(SystemTime::now()), domain.status().last_error), (false, None));
        folder.write("a.example.trouble.json", b"{").expect("it is written");
        assert_eq!(domain.take_in(&folder).len(), 1);
    }
}
