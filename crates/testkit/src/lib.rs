//! For tests only.
//!
//! `environment` is a whole stack on the real engine, `browser` a real Chromium
//! in front of it; both are there with the feature `scenarios`.

#[cfg(feature = "scenarios")]
pub mod browser;
#[cfg(feature = "scenarios")]
pub mod environment;

pub mod database;
