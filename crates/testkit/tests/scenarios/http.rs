//! A little HTTP, as a client of the application.

use serde_json::{Value, json};
use testkit::environment::{Environment, eventually};

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(std::time::Duration::from_secs(20)))
        .http_status_as_error(false)
        .build();
    config.into()
}

/// The status, or 0 where nobody answers.
pub(crate) fn status(environment: &Environment, path: &str) -> u16 {
    agent().get(environment.url(path)).call().map_or(0, |response| response.status().as_u16())
}

/// The titles of all todos, in order.
pub(crate) fn titles(environment: &Environment) -> Vec<String> {
    let mut response = agent().get(environment.url("/todos")).call().expect("the list is answered");
    let todos: Value = response.body_mut().read_json().expect("the list is JSON");
    let titles = todos.as_array().expect("the list is an array").iter();
    titles.map(|todo| todo["title"].as_str().expect("a title is a text").to_owned()).collect()
}

/// Adds a todo, which must be acknowledged.
pub(crate) fn add(environment: &Environment, title: &str) {
    let response = agent().post(environment.url("/todos")).send_json(json!({"title": title})).expect("it is answered");
    assert_eq!(response.status(), 201, "POST {title}");
}

/// Waits until the application can serve.
pub(crate) fn eventually_ready(environment: &Environment) {
    eventually("the application is ready", || status(environment, "/readyz") == 200);
}
