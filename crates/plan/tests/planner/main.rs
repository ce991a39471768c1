//! Plans by their text: what a person reads before it runs is what is asserted.

mod down;
mod rollouts;
mod support;
mod swaps;
mod up;
