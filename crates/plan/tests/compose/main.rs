//! The compose reader: one helper, many files as data.

mod broken;
mod no_panic;
mod semantics;
mod several_files;
mod support;
mod wild;
