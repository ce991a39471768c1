//! What is set of TLS and of HTTP/2, each with its reason.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, FromArgMatches as _, ValueEnum};

/// TLS: where it is spoken, and whence its certificates come.
#[derive(Debug, Clone, Args)]
pub struct TlsSettings {
    /// Where clients come in with TLS; no TLS where it is not set.
    #[arg(long, env = "EDGE_LISTEN_TLS")]
    pub listen_tls: Option<SocketAddr>,
    /// The folder of the local authority, the certificates and their keys. Two edges side by side share it.
    #[arg(long, env = "EDGE_CERTIFICATES", default_value = "/var/lib/edge/tls")]
    pub certificates: PathBuf,
    /// Names and addresses that the local certificate is for, besides this machine's own and the domains.
    #[arg(long, env = "EDGE_LOCAL_NAMES", value_parser = names, default_value = "", hide_default_value = true)]
    pub local_names: Names,
    /// Time for a handshake. Who takes longer holds a connection and says nothing.
    #[arg(long, env = "EDGE_HANDSHAKE_TIME", value_parser = humantime::parse_duration, default_value = "10s")]
    pub handshake_time: Duration,
    /// Names for which certificates are ordered from the ACME server, one each.
    #[arg(long, env = "EDGE_DOMAINS", value_parser = domains, default_value = "", hide_default_value = true)]
    pub domains: Names,
    /// The ACME server. What it has issued is kept apart from what another one has.
    #[arg(long, env = "EDGE_ACME_DIRECTORY", default_value = "https://acme-v02.api.letsencrypt.org/directory")]
    pub acme_directory: String,
    /// Whom the ACME server may write to, as an address of electronic mail.
    #[arg(long, env = "EDGE_ACME_CONTACT", default_value = "", hide_default_value = true)]
    pub acme_contact: String,
    /// A file with the certificates of another authority by which the ACME server is trusted.
    #[arg(long, env = "EDGE_ACME_ROOT", default_value = "", hide_default_value = true)]
    pub acme_root: String,
    /// How the ACME server is shown that a domain is ours.
    #[arg(long, env = "EDGE_ACME_CHALLENGE", value_enum, default_value = "any")]
    pub acme_challenge: Challenge,
    /// How long after a failed order the next one is made, doubled each time up to six hours. Let's Encrypt allows five
    /// failures an hour.
    #[arg(long, env = "EDGE_ACME_RETRY", value_parser = humantime::parse_duration, default_value = "15m")]
    pub acme_retry: Duration,
    /// Between two looks at the folder, whether another edge has written there, and at what is to be renewed.
    #[arg(long, env = "EDGE_CERTIFICATES_LOOK", value_parser = humantime::parse_duration, default_value = "5s")]
    pub look: Duration,
    /// Whether a request for a domain that comes without TLS is sent to https, once the domain has its certificate.
    #[arg(long, env = "EDGE_HTTPS_REDIRECT", default_value = "true", action = clap::ArgAction::Set)]
    pub https_redirect: bool,
    /// The port at which clients reach the listener with TLS, as it is written into redirects.
    #[arg(long, env = "EDGE_HTTPS_PORT", default_value = "443")]
    pub https_port: u16,
    /// How long a browser shall ask by https alone, said to it with the redirects on and a certificate of the ACME
    /// server. `0s` says nothing.
    #[arg(long, env = "EDGE_HSTS_TIME", value_parser = humantime::parse_duration, default_value = "30d")]
    pub hsts_time: Duration,
    /// Limits of HTTP/2.
    #[command(flatten)]
    pub http2: Http2,
}

/// Names in a row, with commas between them. None is a row as well, since a variable may be set to nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(pub Vec<String>);

/// HTTP/2: what one connection may ask for at once.
#[derive(Debug, Clone, Copy, Args)]
pub struct Http2 {
    /// Requests that a connection may have open. Browsers use less than a hundred.
    #[arg(long = "http2-streams", env = "EDGE_HTTP2_STREAMS", default_value = "100", value_parser = clap::value_parser!(u32).range(1..))]
    pub streams: u32,
    /// Requests that a client may take back before they were looked at; more are an attack, and end the connection.
    #[arg(long = "http2-resets", env = "EDGE_HTTP2_RESETS", default_value = "20")]
    pub resets: usize,
    /// After so long without a word a client is asked whether it is there.
    #[arg(long = "http2-ping", env = "EDGE_HTTP2_PING", value_parser = humantime::parse_duration, default_value = "20s")]
    pub ping: Duration,
    /// Time for its answer.
    #[arg(long = "http2-ping-time", env = "EDGE_HTTP2_PING_TIME", value_parser = humantime::parse_duration, default_value = "10s")]
    pub ping_time: Duration,
}

/// How a domain is shown to be ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Challenge {
    /// By a text on the listener without TLS, which the world has to reach on port 80.
    #[value(name = "http-01")]
    Http01,
    /// By a certificate on the listener with TLS, which the world has to reach on port 443.
    #[value(name = "tls-alpn-01")]
    TlsAlpn01,
    /// By the first, and where that fails by the second.
    Any,
}

impl Default for TlsSettings {
    /// What holds where nothing is set.
    fn default() -> Self {
        let matches = Self::augment_args(clap::Command::new("edge")).get_matches_from(["edge"]);
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

fn domains(text: &str) -> Result<Names, String> {
    row(text, domain)
}

fn names(text: &str) -> Result<Names, String> {
    row(text, name)
}

fn row(text: &str, one: impl Fn(&str) -> Result<String, String>) -> Result<Names, String> {
    let parts = text.split(',').filter(|part| !part.trim().is_empty());
    let mut names = parts.map(one).collect::<Result<Vec<_>, _>>()?;
    names.sort();
    names.dedup();
    Ok(Names(names))
}

/// A name in the form in which it is compared and kept as a file.
fn domain(text: &str) -> Result<String, String> {
    let name = text.trim().trim_end_matches('.').to_ascii_lowercase();
    if name.starts_with("*.") {
        return Err("a certificate for all names of a domain needs proof by DNS\n\nhint: name each of them".into());
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_name = name.len() <= 253 && name.contains('.') && name.split('.').all(label);
    let is_address = name.parse::<std::net::IpAddr>().is_ok();
    if !is_name || is_address {
        return Err("it is no domain name\n\nhint: `shop.example.org`; other alphabets in their xn-- form".into());
    }
    Ok(name)
}

/// A name or an address, for the local certificate.
fn name(text: &str) -> Result<String, String> {
    let name = text.trim().to_ascii_lowercase();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-.*".contains(&byte);
    let is_plain = (1..=253).contains(&name.len()) && name.bytes().all(is_name);
    if name.parse::<std::net::IpAddr>().is_ok() || is_plain {
        return Ok(name);
    }
    Err("it is neither a name nor an address\n\nhint: `box.lan` or `192.0.2.7`".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_a_name_that_can_be_a_file_as_well() {
        assert_eq!(domain(" Shop.Example.org. ").as_deref(), Ok("shop.example.org"));
        for wrong in ["", "localhost", "*.example.org", "../x.y", "a/b.c", "127.0.0.1", "a..b", "-a.b", "ä.b"] {
            assert!(domain(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_variable_may_be_set_to_nothing() {
        assert_eq!(domains(""), Ok(Names::default()));
        assert_eq!(domains("b.example, a.example,B.example"), Ok(Names(vec!["a.example".into(), "b.example".into()])));
        assert!(domains("a.example,b").is_err());
    }

    #[test]
    fn a_local_name_is_a_name_or_an_address() {
        for right in ["box", "box.lan", "192.0.2.7", "::1"] {
            assert_eq!(name(right).as_deref(), Ok(right));
        }
        assert!(name("a b").is_err() && name("").is_err());
    }

    #[test]
    fn what_is_not_set_has_a_value() {
        let settings = TlsSettings::default();
        assert!(settings.https_redirect && settings.listen_tls.is_none() && settings.domains.0.is_empty());
    }
}
