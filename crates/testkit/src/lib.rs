//! For tests only.
//!
//! `environment` is a whole stack on the real engine, `browser` a real Chromium
//! in front of it, `traffic` what many clients send to it and notice of it; all
//! of them are there with the feature `scenarios`.

#[cfg(feature = "scenarios")]
pub mod browser;
#[cfg(feature = "scenarios")]
pub mod environment;
#[cfg(feature = "scenarios")]
pub mod traffic;

pub mod database;
