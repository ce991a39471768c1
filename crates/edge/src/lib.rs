//! The edge: a load balancer that swaps what is behind it without dropping a request.
//!
//! `balance` decides who gets a request, `route` which service it is for: both do no I/O. `client` knows who asks and
//! how much, `forward` carries a request to a target and its answer back, `server` accepts, `probe` asks the targets how
//! they are, `ledger` counts, `metrics` shows what it counted, `trial` judges a new release by it. `tls` has
//! the certificates, and gets them.

pub mod admin;
pub mod balance;
pub mod client;
mod count;
pub mod duty;
mod forward;
pub mod handover;
mod http2;
pub mod journal;
pub mod ledger;
pub mod limit;
pub mod metrics;
pub mod namespace;
pub mod pages;
pub mod probe;
pub mod route;
pub mod server;
pub mod settings;
pub mod tls;
pub mod trial;
pub mod upkeep;
