//! The application over HTTP on a real PostgreSQL: the real router, the real server, real sockets. One binary, so that
//! one database server serves all tests.

#![expect(clippy::unwrap_used, reason = "these are tests, helpers included")]

mod conditional;
mod contract;
mod cross_origin;
mod errors;
mod events;
mod idempotency;
mod limits;
mod migrations;
mod outage;
mod pages;
mod probes;
mod program;
mod shutdown;
mod support;
