//! The executor on the in-memory engine.
