//! The edge: a load balancer that swaps what is behind it without dropping a request.
//!
//! `balance` decides who gets a request; it does no I/O.

pub mod balance;
