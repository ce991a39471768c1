//! How much one client may have.

use clap::Args;

use crate::client::Net;

/// The limits of each client.
#[derive(Debug, Clone, Args)]
pub struct ClientSettings {
    /// Connections of one client; further ones are closed at once. A browser opens six, and an office or a mobile network
    /// behind one address a few dozen. An IPv6 network of 64 bits is one client.
    #[arg(long, env = "EDGE_CLIENT_CONNECTIONS", default_value = "256", value_parser = clap::value_parser!(u32).range(1..))]
    pub client_connections: u32,
    /// Requests of one client in a second, over time; more are answered 429. No limit where it is not set: what is much
    /// depends on the application, and many people may share an address.
    #[arg(long, env = "EDGE_CLIENT_RATE", value_parser = positive)]
    pub client_rate: Option<f64>,
    /// Requests of one client at once, before its rate counts: a page with its scripts and pictures.
    #[arg(long, env = "EDGE_CLIENT_BURST", default_value = "100", value_parser = clap::value_parser!(u32).range(1..))]
    pub client_burst: u32,
    /// Networks of proxies before the edge, such as 10.0.0.0/8: what they say in X-Forwarded-For and X-Forwarded-Proto
    /// is believed, and they have no limits of their own. Nobody is trusted where it is not set.
    #[arg(long, env = "EDGE_TRUSTED", value_delimiter = ',')]
    pub trusted: Vec<Net>,
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "a rate is a number above 0, such as 50 or 0.5".to_owned())
}
