//! Changes as they happen: what is told (`change`), and who hears it from the database (`listener`).

pub(crate) mod change;
pub(crate) mod listener;
