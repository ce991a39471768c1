//! Todos: what one is (`todo`, `title`), what a client may ask for (`input`), and the SQL (`store`).

pub(crate) mod input;
pub(crate) mod store;
pub mod title;
pub(crate) mod todo;
