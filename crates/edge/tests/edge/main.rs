//! The edge before targets that behave as they are told: nothing dropped, nothing made twice.
#![expect(clippy::indexing_slicing, reason = "a missing item fails the test, as it should")]

mod acme;
mod clients;
mod compression;
mod files;
mod handover;
mod http2;
mod maintenance;
mod metrics;
mod pebble;
mod program;
mod requests;
mod secure;
mod support;
mod swaps;
mod trials;
mod trust;
mod waiting;
