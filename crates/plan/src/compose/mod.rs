//! Compose text to stack.
