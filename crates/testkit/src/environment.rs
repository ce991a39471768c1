//! A whole environment on the real engine, in a project of its own on a free
//! port, that is taken away when the test is over.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Set to anything, it leaves the environment standing after the test, to be looked at.
const KEEP: &str = "MAINSTAY_TEST_KEEP";

/// An environment of our own compose file.
pub struct Environment {
    /// The project's name.
    pub project: String,
    /// The front door's port on 127.0.0.1.
    pub port: u16,
    /// The same with TLS.
    pub tls_port: u16,
    binary: PathBuf,
    root: PathBuf,
    files: Vec<PathBuf>,
}

impl Environment {
    /// A project that nobody else has. Nothing is brought up yet.
    ///
    /// # Panics
    ///
    /// Where `MAINSTAY_BIN` does not name the binary under test; `./check` sets it.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let binary = std::env::var_os("MAINSTAY_BIN")
            .map(PathBuf::from)
            .unwrap_or_else(|| panic!("MAINSTAY_BIN names no binary\nhint: ./check scenarios"));
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map(Path::to_path_buf).unwrap_or_default();
        let project = format!("ms-{name}-{}", std::process::id());
        Self { project, port: free_port(), tls_port: free_port(), binary, files: vec![root.join("compose.yaml")], root }
    }

    /// The same project by another compose file.
    #[must_use]
    pub fn with_file(mut self, file: PathBuf) -> Self {
        self.files = vec![file];
        self
    }

    /// The command `mainstay` with these arguments, ready to be run.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        for file in &self.files {
            command.arg("-f").arg(file);
        }
        command.args(["-p", &self.project]).args(args).current_dir(&self.root).stdin(Stdio::null());
        command.env("MAINSTAY_BIND", "127.0.0.1").env("MAINSTAY_PORT", self.port.to_string());
        command.env("MAINSTAY_TLS_PORT", self.tls_port.to_string());
        command
    }

    /// Runs `mainstay` and waits for its end.
    ///
    /// # Panics
    ///
    /// The binary cannot be run.
    #[must_use]
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap_or_else(|error| panic!("run {}: {error}", self.binary.display()))
    }

    /// Runs `mainstay`, which must end well; the answer is its standard output.
    ///
    /// # Panics
    ///
    /// It does not end well; its output is shown.
    #[must_use]
    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "mainstay {}: {}\n{out}\n{err}", args.join(" "), output.status);
        out.into_owned()
    }

    /// The front door.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The name of a container.
    #[must_use]
    pub fn container(&self, service: &str) -> String {
        format!("{}-{service}-1", self.project)
    }

    /// A field of a container or of something else of the engine, by Docker's own command line.
    ///
    /// # Panics
    ///
    /// There is no such thing.
    #[must_use]
    pub fn inspect(&self, name: &str) -> Value {
        let text = docker(&["inspect", name]);
        let all: Value = serde_json::from_str(&text).unwrap_or_default();
        all.get(0).cloned().unwrap_or_else(|| panic!("docker knows no `{name}`"))
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        if std::env::var_os(KEEP).is_some() {
            return;
        }
        let output = self.run(&["down", "--volumes", "--yes"]);
        if !output.status.success() && !std::thread::panicking() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            panic!("the environment could not be taken away: {said}");
        }
    }
}

/// Runs Docker's own command line, which must end well.
///
/// # Panics
///
/// It does not.
#[must_use]
pub fn docker(args: &[&str]) -> String {
    let output = Command::new("docker")
        .args(args)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("run docker: {error}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "docker {}: {said}", args.join(" "));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A port that nobody listens on now.
///
/// # Panics
///
/// The machine has none left.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap_or_else(|error| panic!("find a free port: {error}"));
    listener.local_addr().map_or(0, |address| address.port())
}

/// Waits until something is so; the bound is for liveness, not for speed.
///
/// # Panics
///
/// It is not so within the bound.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    const BOUND: Duration = Duration::from_secs(60);
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < BOUND, "{what}: not within {} s", BOUND.as_secs());
        std::thread::sleep(Duration::from_millis(100));
    }
}
