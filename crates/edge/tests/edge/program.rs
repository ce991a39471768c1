//! The program, as an operator uses it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use crate::pebble::free_port;
use crate::support::{Does, Upstream, ask};
use crate::trust::{connect, trusting};

/// A running `edge serve`, with a folder of its own. Both are gone when it is dropped.
struct Program {
    folder: PathBuf,
    port: u16,
    metrics: SocketAddr,
    args: Vec<String>,
    child: Option<Child>,
}

fn edge() -> Command {
    Command::new(env!("CARGO_BIN_EXE_edge"))
}

impl Program {
    async fn start(name: &str) -> Self {
        Self::start_with(name, &[]).await
    }

    async fn start_with(name: &str, args: &[&str]) -> Self {
        let folder = std::env::temp_dir().join(format!("edge-program-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        // Both at once, so that they are two.
        let [port, metrics] = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").expect("a port"));
        let [port, metrics] = [port, metrics].map(|listener| listener.local_addr().expect("an address"));
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let mut program = Self { folder, port: port.port(), metrics, args, child: None };
        program.serve().await;
        program
    }

    async fn serve(&mut self) {
        let child = edge()
            .args(["serve", "--listen", &format!("127.0.0.1:{}", self.port), "--threads", "2"])
            .args(["--metrics", &self.metrics.to_string()])
            .args(&self.args)
            .arg("--certificates")
            .arg(self.folder.join("tls"))
            .arg("--journal")
            .arg(self.folder.join("edge.json"))
            .arg("--socket")
            .arg(self.folder.join("socket"))
            .stdout(std::fs::File::create(self.folder.join("out")).expect("a file"))
            .stderr(std::fs::File::create(self.folder.join("err")).expect("a file"))
            .spawn();
        self.child = Some(child.expect("it starts"));
        for _ in 0..1_000 {
            if self.ask(&["targets"]).status.success() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the edge does not answer: {}", self.said("err"));
    }

    fn ask(&self, args: &[&str]) -> Output {
        edge().args(args).arg("--socket").arg(self.folder.join("socket")).output().expect("it runs")
    }

    /// Standard output of a verb that must end well.
    fn ok(&self, args: &[&str]) -> String {
        let output = self.ask(args);
        assert!(output.status.success(), "edge {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Standard error of a verb that must not.
    fn refused(&self, args: &[&str]) -> String {
        let output = self.ask(args);
        assert!(!output.status.success(), "edge {args:?} ended well");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn said(&self, file: &str) -> String {
        std::fs::read_to_string(self.folder.join(file)).unwrap_or_default()
    }

    async fn get(&self) -> u16 {
        let request = hyper::Request::get("/").body(http_body_util::Full::default()).expect("a request");
        ask(([127, 0, 0, 1], self.port).into(), request).await.status
    }

    /// Ends it as the engine does, and waits.
    fn terminate(&mut self) {
        let mut child = self.child.take().expect("it runs");
        let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill runs");
        assert!(killed.success());
        assert!(child.wait().expect("it ends").success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_swaps_a_release_and_a_restart_forgets_nothing() {
    let (old, new) = (Upstream::start(Does::Answer(0)).await, Upstream::start(Does::Answer(0)).await);
    let mut program = Program::start("swap").await;
    let (old_place, new_place) = (old.address.to_string(), new.address.to_string());
    let old_name = old.address.ip().to_string();
    assert_eq!(program.ok(&["add", "app", &old_place, "--release", "1"]), "");
    program.ok(&["ready", "app", "1"]);
    program.ok(&["route", "app", "1"]);
    assert_eq!(program.get().await, 200);

    program.ok(&["add", "app", &new_place, "--release", "2"]);
    program.ok(&["ready", "app", "2"]);
    program.ok(&["route", "app", "2"]);
    program.ok(&["drain", "app", &old_name, "--wait", "9"]);
    program.ok(&["remove", "app", &old_name]);
    assert_eq!((program.get().await, old.count(), new.count()), (200, 1, 1));
    let ledger: serde_json::Value = serde_json::from_str(&program.ok(&["ledger", "--json"])).expect("JSON");
    assert_eq!((&ledger["app"]["1"]["answered"], &ledger["app"]["2"]["answered"]), (&1.into(), &1.into()));

    let request = hyper::Request::get("/metrics").body(http_body_util::Full::default()).expect("a request");
    let metrics = ask(program.metrics, request).await.body.expect("a body");
    assert!(metrics.contains("\nedge_requests_held_total{service=\"app\",release=\"2\"} 0\n"), "{metrics}");
    program.terminate();
    assert_eq!(program.said("out").lines().count(), 2, "a line for each request");
    program.serve().await;
    assert_eq!((program.get().await, new.count()), (200, 2), "held until the first probe, and not lost");
    let table = program.ok(&["targets"]);
    assert!(table.contains(&new_place) && !table.contains(&old_place), "{table}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_done_is_said_with_a_way_out() {
    let program = Program::start("refused").await;
    assert!(program.refused(&["hold", "app"]).contains("there is no service `app`\n\nhint: "));
    assert!(program.refused(&["add", "app", "nowhere", "--release", "1"]).contains("a target is named NAME:PORT"));
    program.ok(&["add", "app", "127.0.0.1:1", "--release", "1"]);
    assert!(program.refused(&["route", "app", "1"]).contains("has no target that is ready\n\nhint: "));
    assert!(program.refused(&["ready", "app", "1", "--wait", "0"]).contains("is not ready after 0 s\n\nhint: "));
    assert!(program.refused(&["apply"]).contains("read the changes: "));
    let nowhere = edge().args(["targets", "--socket", "/nonexistent/socket"]).output().expect("it runs");
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("hint: `edge serve` has to run here"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_service_stays_closed_over_a_restart() {
    let upstream = Upstream::start(Does::Answer(0)).await;
    let mut program = Program::start("closed").await;
    program.ok(&["add", "app", &upstream.address.to_string(), "--release", "1"]);
    program.ok(&["ready", "app", "1"]);
    program.ok(&["route", "app", "1"]);
    program.ok(&["maintenance", "app", "on"]);
    assert!(program.ok(&["targets"]).contains("closed: requests get 503 until `edge maintenance app off`"));
    assert_eq!(program.get().await, 503);
    program.terminate();
    program.serve().await;
    assert_eq!((program.get().await, upstream.count()), (503, 0));
    program.ok(&["maintenance", "app", "off"]);
    assert_eq!(program.get().await, 200);
    assert!(program.refused(&["maintenance", "web", "on"]).contains("there is no service `web`"));
    assert!(program.refused(&["maintenance", "app", "maybe"]).contains("possible values: on, off"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_journal_is_told_and_the_one_before_it_counts() {
    let upstream = Upstream::start(Does::Answer(0)).await;
    let mut program = Program::start("broken").await;
    program.ok(&["add", "app", &upstream.address.to_string(), "--release", "1"]);
    program.ok(&["ready", "app", "1"]);
    program.ok(&["route", "app", "1"]);
    program.ok(&["hold", "app"]);
    program.terminate();
    std::fs::write(program.folder.join("edge.json"), "{").expect("it is written");
    program.serve().await;
    assert!(program.said("err").contains("warning: cannot read the journal"), "{}", program.said("err"));
    assert_eq!(program.get().await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_trusts_the_local_authority_once() {
    let port = free_port().to_string();
    let place = format!("127.0.0.1:{port}");
    let mut program = Program::start_with("tls", &["--listen-tls", &place, "--local-names", "box.lan"]).await;
    let authority = program.ok(&["authority"]);
    for name in ["localhost", "box.lan"] {
        let config = trusting(&authority, &["h2"]);
        assert!(connect(place.parse().expect("an address"), name, config).await.is_ok(), "{name}");
    }
    let shown: serde_json::Value = serde_json::from_str(&program.ok(&["certificates", "--json"])).expect("JSON");
    assert_eq!((&shown[0]["source"], &shown[0]["last_error"]), (&"local".into(), &serde_json::Value::Null));
    assert!(shown[0]["not_after"].as_str().is_some_and(|end| end.ends_with('Z')), "{shown}");
    assert!(program.ok(&["certificates"]).contains("localhost, 127.0.0.1, ::1, box.lan"));
    let metrics = hyper::Request::get("/metrics").body(http_body_util::Full::default()).expect("a request");
    let metrics = ask(program.metrics, metrics).await.body.expect("a body");
    for name in ["localhost", "box.lan"] {
        let sample = format!("edge_certificate_not_after_seconds{{name=\"{name}\"}} ");
        let end = metrics.lines().find_map(|line| line.strip_prefix(&sample)).expect("the sample");
        let end = UNIX_EPOCH + Duration::from_secs(end.parse().expect("seconds"));
        let shown = shown[0]["not_after"].as_str().expect("a time");
        assert_eq!(humantime::format_rfc3339_seconds(end).to_string(), shown, "{name}");
    }
    assert!(program.refused(&["renew", "a.example"]).contains("`a.example` is none of the domains\n\nhint: "));
    program.terminate();
    std::fs::write(program.folder.join("tls/authority.pem"), "{").expect("it is written");
    program.serve().await;
    assert!(program.said("err").contains("warning: cannot use"), "{}", program.said("err"));
    assert_ne!(program.ok(&["authority"]), authority);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_had_of_tls_is_said() {
    let program = Program::start("no-tls").await;
    assert!(program.refused(&["certificates"]).contains("this edge speaks no TLS\n\nhint: "));
    let refused = |args: &[&str]| {
        let output = edge().arg("serve").args(args).output().expect("it runs");
        assert!(!output.status.success(), "{args:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    assert!(refused(&["--domains", "a.example"]).contains("no listener with TLS\n\nhint: "));
    assert!(refused(&["--domains", "*.example"]).contains("hint: name each of them"));
    let taken = program.folder.join("err");
    let taken = ["--listen-tls", "127.0.0.1:0", "--certificates", taken.to_str().expect("text")];
    assert!(refused(&taken).contains("use the folder"), "{}", refused(&taken));
}

/// As under a plain `docker compose up`: nobody tells the edge anything, and what is set to nothing is not set.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_alone_are_enough_to_serve() {
    let upstream = Upstream::start(Does::Answer(0)).await;
    let target = format!("app={}", upstream.address);
    let program = Program::start_with("default", &["--default-target", &target]).await;
    assert_eq!(program.get().await, 200);
    assert!(program.ok(&["targets"]).contains("default"));
    let mut empty = edge();
    empty.args(["serve", "--domains", "a.example"]).env("EDGE_LISTEN_TLS", "");
    empty.env("EDGE_METRICS", "").env("EDGE_TRUSTED", "");
    let said = String::from_utf8_lossy(&empty.output().expect("it runs").stderr).into_owned();
    assert!(said.contains("there are domains, and no listener with TLS"), "{said}");
    let wrong = edge().args(["serve"]).env("EDGE_LISTEN_TLS", "nowhere").output().expect("it runs");
    assert!(!wrong.status.success());
}

#[test]
fn help_is_there_for_every_verb() {
    for verb in [
        "serve",
        "targets",
        "add",
        "route",
        "drain",
        "remove",
        "ready",
        "hold",
        "release",
        "maintenance",
        "ledger",
        "apply",
        "certificates",
        "authority",
        "renew",
        "try",
        "back",
        "retire",
        "healthcheck",
    ] {
        let output = edge().args([verb, "--help"]).stdin(Stdio::null()).output().expect("it runs");
        assert!(output.status.success() && !output.stdout.is_empty(), "{verb}");
    }
}
