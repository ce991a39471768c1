//! Who asks, and on what kind of connection.

use std::net::SocketAddr;

/// What is known of a client from its connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visitor {
    pub(crate) address: SocketAddr,
    /// Whether it speaks TLS.
    pub(crate) secure: bool,
    /// Whether it was shown a certificate that all the world trusts.
    pub(crate) trusted: bool,
}

impl Visitor {
    pub(crate) fn scheme(self) -> &'static str {
        if self.secure { "https" } else { "http" }
    }
}
