//! TodoMVC on PostgreSQL. A request goes through these folders in this order: `server` accepts it, `http` answers it,
//! `todos` says what is asked of the database, `database` asks. Changes come back through `realtime` to every open page.

#![forbid(unsafe_code)]

mod app;
pub mod config;
mod database;
mod embedded;
pub mod healthcheck;
mod http;
mod metrics;
pub mod migrate;
mod realtime;
pub mod server;
mod todos;

pub use database::Failure;
pub use todos::title;
