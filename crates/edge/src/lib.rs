//! The edge: a load balancer that swaps what is behind it without dropping a request.
//!
//! `balance` decides who gets a request, `route` which service it is for: both do no I/O. `forward` carries a request to
//! a target and its answer back, `server` accepts, `probe` asks the targets how they are, `ledger` counts. `tls` has the
//! certificates, and gets them.

pub mod admin;
pub mod balance;
mod count;
mod forward;
mod http2;
pub mod journal;
pub mod ledger;
pub mod probe;
pub mod route;
pub mod server;
pub mod settings;
pub mod tls;
