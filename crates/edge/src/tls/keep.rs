//! Keeps the certificates as they have to be: takes in what another edge has written, and renews what ends.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use thiserror::Error;
use tokio::time::{sleep, timeout};

use super::acme::{self, Contact, Failure};
use super::authority::{Authority, NoAuthority};
use super::domain::{Domain, Trouble};
use super::{Local, Tls, local_names};

/// Held while a certificate is ordered: of two edges side by side one orders, and the other takes in what it got.
const LOCK: &str = "order.lock";

/// For one order and all that it waits for.
const ORDER_TIME: Duration = Duration::from_secs(300);

/// A domain that is not ours.
#[derive(Debug, Error)]
#[error("`{0}` is none of the domains\n\nhint: EDGE_DOMAINS names them")]
pub struct NoDomain(String);

/// Keeps them, and tells what is wrong. Ends never.
pub async fn keep(tls: Arc<Tls>, tell: impl Fn(&str) + Send + Sync) {
    tokio::join!(look(&tls, &tell), order_in_turn(&tls, &tell));
}

async fn look(tls: &Tls, tell: &(dyn Fn(&str) + Sync)) {
    loop {
        match tls.renew_local(SystemTime::now()) {
            Ok(wrong) => wrong.iter().for_each(|wrong| tell(wrong)),
            Err(error) => tell(&format!("cannot renew the local certificate: {error}")),
        }
        for wrong in tls.served.domains.iter().flat_map(|domain| domain.take_in(&tls.issued)) {
            tell(&wrong);
        }
        sleep(tls.settings.look).await;
    }
}

async fn order_in_turn(tls: &Tls, tell: &(dyn Fn(&str) + Sync)) {
    if !tls.has_domains() {
        return;
    }
    loop {
        for domain in &tls.served.domains {
            if domain.is_due(SystemTime::now()) {
                order(tls, domain, tell).await;
            }
        }
        tokio::select! {
            () = sleep(tls.settings.look) => {}
            () = tls.wanted.notified() => {}
        }
    }
}

/// Orders a certificate where nobody else does, and keeps it, or what went wrong.
async fn order(tls: &Tls, domain: &Domain, tell: &(dyn Fn(&str) + Sync)) {
    let _lock = match tls.folder.try_lock(LOCK) {
        Ok(Some(lock)) => lock,
        Ok(None) => return,
        Err(error) => return tell(&format!("cannot order a certificate for `{}`: {error}", domain.name)),
    };
    // Who had the lock before may have got it meanwhile.
    domain.take_in(&tls.issued).iter().for_each(|wrong| tell(wrong));
    if !domain.is_due(SystemTime::now()) {
        return;
    }
    tls.served.challenges.clear();
    let before = domain.begin();
    let begun = Failure::Refused("the last attempt was broken off".to_owned());
    // Kept first: an edge that ends in the midst of it again and again does not order again and again. Where this
    // cannot be kept, the certificate could not be either.
    let told = match note(tls, domain, before, &begun) {
        Ok(_) => match attempt(tls, domain, before, tell).await {
            Ok(()) => return,
            Err(failure) => {
                let noted = note(tls, domain, before, &failure);
                noted.map_or_else(|error| error, |next| format!("{failure}; the next attempt is in {next}"))
            }
        },
        Err(error) => error,
    };
    tell(&format!("cannot get a certificate for `{}`: {told}", domain.name));
}

/// One attempt, with one kind of proof after the other.
async fn attempt(tls: &Tls, domain: &Domain, before: u32, tell: &(dyn Fn(&str) + Sync)) -> Result<(), Failure> {
    let contact = Contact { settings: &tls.settings, folder: &tls.issued, web: &tls.web, tell };
    let mut failures = Vec::new();
    for kind in acme::kinds(tls.settings.acme_challenge, before) {
        let ordering = acme::order(&contact, &domain.name, *kind, &tls.served.challenges);
        let ordered = timeout(ORDER_TIME, ordering).await;
        match ordered.unwrap_or_else(|_| Err(Failure::Unreachable("the order takes too long".to_owned()))) {
            Ok(pem) => return domain.keep(&tls.issued, &pem).map_err(Failure::Refused),
            Err(Failure::NotProven(reason)) => failures.push(reason),
            Err(failure) => return Err(failure),
        }
    }
    Err(Failure::NotProven(failures.join("; ")))
}

/// Keeps that an attempt failed; how long until the next one.
fn note(tls: &Tls, domain: &Domain, before: u32, failure: &Failure) -> Result<humantime::Duration, String> {
    let failures = before.saturating_add(1);
    let wait = acme::wait(tls.settings.acme_retry, failures, failure, tls.web.asked(), fastrand::f64());
    let next = SystemTime::now() + wait;
    let next_s = next.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    domain.fail(&tls.issued, Trouble { failures, next_s, error: failure.to_string() })?;
    Ok(Duration::from_secs(wait.as_secs()).into())
}

impl Tls {
    /// Orders a certificate for the domain now.
    ///
    /// # Errors
    ///
    /// It is none of ours.
    pub fn renew(&self, domain: &str) -> Result<(), NoDomain> {
        self.served.domain(domain).ok_or_else(|| NoDomain(domain.to_owned()))?.want();
        self.wanted.notify_one();
        Ok(())
    }

    /// Signs anew what ends, or what another authority has signed than the one that is in the folder now.
    fn renew_local(&self, now: SystemTime) -> Result<Option<String>, NoAuthority> {
        let local = self.served.local.read().unwrap_or_else(PoisonError::into_inner);
        if local.certificate.due() > now && local.print == Authority::print(&self.folder) {
            return Ok(None);
        }
        drop(local);
        // Made before the lock is taken: a handshake waits for nothing.
        let (next, wrong) = Local::provide(&self.folder, &local_names(&self.settings))?;
        *self.served.local.write().unwrap_or_else(PoisonError::into_inner) = next;
        Ok(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::super::folder::tests::Scratch;
    use super::*;
    use crate::tls::TlsSettings;

    #[test]
    fn the_local_certificate_is_signed_anew_before_its_end_and_by_the_authority_that_is_there() {
        let scratch = Scratch::new("keep");
        let settings = TlsSettings { certificates: scratch.0.clone(), ..TlsSettings::default() };
        let (tls, _) = Tls::open(settings).expect("TLS");
        let (first, authority, now) = (tls.served.local(), tls.authority(), SystemTime::now());
        assert_eq!(tls.renew_local(now).expect("nothing is due"), None);
        assert!(Arc::ptr_eq(&first, &tls.served.local()));
        let later = now + Duration::from_secs(61 * 24 * 3600);
        assert_eq!(tls.renew_local(later).expect("it is renewed"), None);
        assert!(!Arc::ptr_eq(&first, &tls.served.local()) && tls.authority() == authority);
        scratch.open().write("authority.pem", b"{").expect("it is written");
        assert!(tls.renew_local(now).expect("another authority").is_some());
        assert_ne!(tls.authority(), authority);
    }
}
