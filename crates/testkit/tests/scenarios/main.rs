//! The whole thing on the real engine. `./check` provides what it needs and
//! runs it; the images are built once and shared by all.

mod http;
mod lifecycle;
mod page;
mod pushing;
mod releases;
mod surviving;
