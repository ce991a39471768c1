//! mainstay-plan decides; mainstay does.
//!
//! Text becomes a [`stack::Stack`] in [`compose`]; a `Stack` and what the engine
//! has become a plan. Nothing in this crate reads a file, a clock, the
//! environment or a random number: its `Cargo.toml` has nothing to do so with.

pub mod compose;
pub mod dockerfile;
pub mod labels;
pub mod observed;
pub mod plan;
pub mod planner;
pub mod redact;
pub mod spec;
pub mod stack;
