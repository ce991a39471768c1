//! What is sent, and how often.

use std::time::Duration;

/// As long as a patient client waits: longer than any time for which a load balancer would hold a request.
const TIMEOUT: Duration = Duration::from_secs(35);

/// What is sent, and how often.
#[derive(Debug, Clone)]
pub struct Options {
    /// Requests of all kinds together. They are due at this rate whether or not others are answered.
    pub rate_per_second: u32,
    /// What is asked for with `GET`.
    pub get_path: String,
    /// What every fourth request posts; without it that one is a `GET`.
    pub post: Option<Post>,
    /// Where the stream of server-sent events is.
    pub events_path: Option<String>,
    /// Where the WebSocket is that sends back every text.
    pub ws_path: Option<String>,
    /// How long an answer may take from the moment its request is sent, and how long the event stream may be silent.
    pub timeout: Duration,
}

/// A request that changes something, and must be done once.
#[derive(Debug, Clone)]
pub struct Post {
    /// Where to.
    pub path: String,
    /// From the request's id to the type and the text of its body.
    pub body: fn(&str) -> (&'static str, String),
}

impl Options {
    /// For anything that answers at `/`: no posts and nothing that lasts.
    #[must_use]
    pub fn get(rate_per_second: u32) -> Self {
        Self {
            rate_per_second,
            get_path: "/".to_owned(),
            post: None,
            events_path: None,
            ws_path: None,
            timeout: TIMEOUT,
        }
    }

    /// For the application that exists for scenarios.
    #[must_use]
    pub fn fixture(rate_per_second: u32) -> Self {
        let post = Post { path: "/add".to_owned(), body: |id| ("text/plain", id.to_owned()) };
        Self {
            post: Some(post),
            events_path: Some("/events".to_owned()),
            ws_path: Some("/ws".to_owned()),
            ..Self::get(rate_per_second)
        }
    }

    /// For the todo application. Its list grows with every post, and every `GET` asks for all of it.
    #[must_use]
    pub fn todos(rate_per_second: u32) -> Self {
        let body = |id: &str| ("application/json", format!(r#"{{"id":"{id}","title":"traffic"}}"#));
        Self {
            get_path: "/todos".to_owned(),
            post: Some(Post { path: "/todos".to_owned(), body }),
            events_path: Some("/events".to_owned()),
            ..Self::get(rate_per_second)
        }
    }
}
