//! The certificates, as a table.

use mainstay_edge::tls::{Source, Status};

pub(crate) fn table(certificates: &[Status]) -> String {
    let mut text = format!("{:<8} {:<21} {}\n", "SOURCE", "NOT AFTER", "NAMES");
    for certificate in certificates {
        let source = match certificate.source {
            Source::Local => "local",
            Source::Acme => "acme",
        };
        let end = certificate.not_after.map(|end| humantime::format_rfc3339_seconds(end).to_string());
        let names = certificate.names.join(", ");
        text += &format!("{source:<8} {:<21} {names}\n", end.as_deref().unwrap_or("-"));
        if let Some(error) = &certificate.last_error {
            text += &format!("{:<8} {error}\n", "");
        }
    }
    text
}
