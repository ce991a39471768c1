//! Orders a certificate from an ACME server (RFC 8555).

mod account;
mod failure;
mod web;

use std::time::Duration;

use instant_acme::{
    Account, AuthorizationHandle, AuthorizationStatus, ChallengeType, Identifier, NewOrder, Order, OrderStatus,
    RetryPolicy,
};

use super::certificate::file;
use super::challenge::{Challenges, Posted};
use super::folder::Folder;
use super::settings::TlsSettings;

pub(crate) use account::Contact;
pub(crate) use failure::{Failure, kinds, wait};
pub(crate) use web::Web;
pub(crate) use web::roots;

/// An ACME server looks at a proof from several places, and may be busy.
const PROOF_TIME: Duration = Duration::from_secs(90);

/// How a domain is proven to be ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Http01,
    TlsAlpn01,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
        }
    }

    fn challenge(self) -> ChallengeType {
        match self {
            Self::Http01 => ChallengeType::Http01,
            Self::TlsAlpn01 => ChallengeType::TlsAlpn01,
        }
    }
}

/// Where an ACME server's files lie: its own folder, since another one knows nothing of them.
pub(crate) fn folder(folder: &Folder, settings: &TlsSettings) -> std::io::Result<Folder> {
    let place = settings.acme_directory.trim_start_matches("https://").trim_end_matches('/');
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || letter == '.' { letter } else { '-' };
    folder.within(&format!("acme-{}", place.chars().map(plain).collect::<String>()))
}

/// Orders a certificate for one domain; it and its key, in PEM form.
pub(crate) async fn order(
    contact: &Contact<'_>,
    domain: &str,
    kind: Kind,
    challenges: &Challenges,
) -> Result<String, Failure> {
    let account = contact.account().await?;
    let ordered = on_account(&account, domain, kind, challenges).await;
    if matches!(ordered, Err(Failure::NoAccount(_))) {
        contact.forget();
    }
    ordered
}

async fn on_account(account: &Account, domain: &str, kind: Kind, challenges: &Challenges) -> Result<String, Failure> {
    let identifiers = [Identifier::Dns(domain.to_owned())];
    let mut order = account.new_order(&NewOrder::new(&identifiers)).await?;
    let posted = prove(&mut order, domain, kind, challenges).await?;
    let policy = RetryPolicy::new().initial_delay(Duration::from_millis(250)).backoff(1.5).timeout(PROOF_TIME);
    // What was proven lately is not asked again, and the order is ready at once.
    if order.state().status != OrderStatus::Ready {
        let ready = order.poll_ready(&policy).await;
        if !matches!(ready, Ok(OrderStatus::Ready)) {
            let given = ready.map_or_else(|error| error.to_string(), |status| format!("the order is {status:?}"));
            let reason = reason(&mut order).await.unwrap_or(given);
            return Err(Failure::NotProven(format!("not proven by {}: {reason}", kind.name())));
        }
    }
    drop(posted);
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&policy).await?;
    Ok(file(&key, &chain))
}

/// Posts the proofs, and tells the server that they are there.
async fn prove(order: &mut Order, domain: &str, kind: Kind, challenges: &Challenges) -> Result<Vec<Posted>, Failure> {
    let mut posted = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization: AuthorizationHandle<'_> = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let not_offered = || Failure::NotProven(format!("the server does not offer {}", kind.name()));
        let mut challenge = authorization.challenge(kind.challenge()).ok_or_else(not_offered)?;
        let proof = challenge.key_authorization();
        let post = match kind {
            Kind::Http01 => challenges.post_text(&challenge.token, proof.as_str()),
            Kind::TlsAlpn01 => challenges.post_certificate(domain, proof.digest().as_ref()),
        };
        posted.push(post.map_err(|error| Failure::Refused(format!("post the proof: {error}")))?);
        challenge.set_ready().await?;
    }
    Ok(posted)
}

/// What the server says of a proof that it did not accept.
async fn reason(order: &mut Order) -> Option<String> {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        let state = authorization.refresh().await.ok()?;
        let error = state.challenges.iter().find_map(|challenge| challenge.error.as_ref());
        if let Some(error) = error {
            return Some(error.detail.clone().unwrap_or_else(|| error.to_string()));
        }
    }
    None
}
