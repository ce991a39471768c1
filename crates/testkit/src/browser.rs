//! A real Chromium, driven by WebDriver, with a profile of its own.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fantoccini::{Client, ClientBuilder};
use serde_json::json;

use crate::environment::free_port;

/// Chromedriver and what it starts; both end with it.
pub struct Browser {
    driver: Child,
    port: u16,
    profiles: PathBuf,
}

impl Browser {
    /// Starts chromedriver.
    ///
    /// # Panics
    ///
    /// It is not there, or does not answer.
    pub async fn start() -> Self {
        let port = free_port();
        let profiles = std::env::temp_dir().join(format!("mainstay-browser-{}-{port}", std::process::id()));
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("run chromedriver: {error}\nhint: apt-get install chromium chromium-driver")
            });
        let browser = Self { driver, port, profiles };
        for _ in 0..100 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return browser;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("chromedriver does not answer on port {port}");
    }

    /// Opens a window of its own: its storage and connections are shared with none.
    ///
    /// # Panics
    ///
    /// Chromium does not start.
    pub async fn window(&self, name: &str) -> Client {
        let profile = self.profiles.join(name);
        let args = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--window-size=1000,900",
            &format!("--user-data-dir={}", profile.display()),
        ];
        let wanted = json!({
            "goog:chromeOptions": {"args": args},
            "goog:loggingPrefs": {"browser": "ALL"},
        });
        let wanted = wanted.as_object().cloned().unwrap_or_default();
        let url = format!("http://127.0.0.1:{}", self.port);
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(wanted)
            .connect(&url)
            .await;
        client.unwrap_or_else(|error| panic!("open a window: {error}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The whole group: a test that failed has not closed its windows.
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.driver.id())]).status();
        let _ = self.driver.wait();
        let _ = std::fs::remove_dir_all(&self.profiles);
    }
}
