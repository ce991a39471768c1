//! The application on a port of its own, and a client.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use testkit::database::Database;
use todomvc::config::Config;
use todomvc::{migrate, server};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// No test is meant to take so long; one that does shows where it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The configuration that these variables give.
pub(crate) fn config(variables: &[(&str, &str)]) -> Config {
    let lookup = |asked: &str| variables.iter().find(|(name, _)| *name == asked).map(|(_, value)| (*value).to_owned());
    Config::read(&lookup).unwrap()
}

/// A running application.
pub(crate) struct TestApp {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl TestApp {
    /// On a migrated database, with few connections.
    pub(crate) async fn start(database: &Database) -> Self {
        Self::start_with(&[("DATABASE_URL", &database.url())]).await
    }

    /// As these variables say; the database must be there.
    pub(crate) async fn start_with(variables: &[(&str, &str)]) -> Self {
        migrate::run(&config(variables).database, PATIENCE, |_| ()).await.unwrap();
        Self::start_unmigrated(variables).await
    }

    /// As these variables say, whatever the database is.
    pub(crate) async fn start_unmigrated(variables: &[(&str, &str)]) -> Self {
        let few = [("DATABASE_READ_CONNECTIONS", "2"), ("DATABASE_WRITE_CONNECTIONS", "2")];
        let config = config(&[variables, &few].concat());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            server::serve(listener, &config, async {
                let _ = stopped.await;
            })
            .await;
        });
        Self { address, stop: Some(stop), task }
    }

    /// What SIGTERM does.
    pub(crate) fn stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    /// Waits for the end of the process that this stands for.
    pub(crate) async fn ended(self) {
        timeout(PATIENCE, self.task).await.expect("it does not end").unwrap();
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.send(Method::POST, path, &[json()], body).await
    }

    pub(crate) async fn patch(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.send(Method::PATCH, path, &[json()], body).await
    }

    /// A todo with this title, made.
    pub(crate) async fn make(&self, title: &str) -> Value {
        let answer = self.post("/todos", serde_json::json!({ "title": title }).to_string()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer.json()
    }

    /// The titles of the list, in its order.
    pub(crate) async fn titles(&self) -> Vec<String> {
        let list = self.get("/todos").await.json();
        list.as_array().unwrap().iter().map(|todo| todo["title"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let answering = async {
            let response = self.open(method, path, headers, body).await;
            let (head, body) = response.into_parts();
            Answer { status: head.status, headers: head.headers, body: body.collect().await.unwrap().to_bytes() }
        };
        timeout(PATIENCE, answering).await.expect("no answer")
    }

    /// The head of the answer, with the body still to come.
    pub(crate) async fn open(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Response<Incoming> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::new(Full::new(body.into()));
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().unwrap();
        request.headers_mut().insert("host", HeaderValue::from_str(&self.address.to_string()).unwrap());
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
        }
        sender.send_request(request).await.unwrap()
    }
}

/// The header of a JSON body.
pub(crate) fn json() -> (&'static str, &'static str) {
    ("content-type", "application/json")
}

/// Waits for something that happens by itself, soon.
pub(crate) async fn wait_until<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    let waiting = async {
        while !condition().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("it does not happen");
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// A header, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Checks that this is a problem document of this status, and returns its explanation.
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], status, "{problem}");
        assert_eq!(problem["type"], "about:blank", "{problem}");
        assert!(problem["title"].is_string(), "{problem}");
        problem["detail"].as_str().unwrap().to_owned()
    }
}
