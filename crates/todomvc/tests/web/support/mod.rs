//! What the tests share: a running application, its client, its event stream, and a door to the database that can be
//! shut.

mod app;
mod door;
mod stream;

pub(crate) use app::{TestApp, config, json, wait_until};
pub(crate) use door::Door;
pub(crate) use stream::EventStream;
