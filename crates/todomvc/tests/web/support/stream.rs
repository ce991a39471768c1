//! An open event stream, read event by event.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Method, StatusCode};
use serde_json::Value;
use tokio::time::timeout;

use super::TestApp;

const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct EventStream {
    body: Incoming,
    text: String,
}

impl EventStream {
    pub(crate) async fn open(app: &TestApp) -> Self {
        let response = app.open(Method::GET, "/events", &[], "").await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), text: String::new() }
    }

    /// The next event's name and data, or nothing at the stream's end.
    pub(crate) async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            let block = timeout(PATIENCE, self.block()).await.expect("no event")?;
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            if let (Some(event), Some(data)) = (field("event: "), field("data: ")) {
                return Some((event, serde_json::from_str(&data).unwrap()));
            }
        }
    }

    /// The next event, which must be a change.
    pub(crate) async fn change(&mut self) -> Value {
        let (event, data) = self.next().await.expect("the stream ended");
        assert_eq!(event, "change", "{data}");
        data
    }

    /// Reads on until the event of this name; its data.
    pub(crate) async fn until(&mut self, wanted: &str) -> Value {
        loop {
            let (event, data) = self.next().await.expect("the stream ended");
            if event == wanted {
                return data;
            }
        }
    }

    /// The text up to the next empty line.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let frame = self.body.frame().await?.expect("the stream broke off");
            self.text.push_str(std::str::from_utf8(frame.data_ref().unwrap()).unwrap());
        }
    }
}
