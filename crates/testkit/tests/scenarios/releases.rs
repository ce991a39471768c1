//! Releases under traffic: what clients notice of a deploy, a rollback, a killed replica, a bad release, another edge.
//!
//! One environment for all of it, since each step begins where the one before it ended, as on a real day.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use testkit::environment::{Environment, docker, eventually};
use testkit::traffic::{Kind, Options, Report, Traffic, missing, twice};

/// Requests of all kinds in a second: more than a small site has, and little enough for two cores.
const RATE: u32 = 150;

/// The shop, and the traffic that never ends.
struct Day {
    environment: Environment,
    traffic: Traffic,
    /// What the shop is told, over its compose file.
    settings: Vec<(&'static str, &'static str)>,
    acknowledged: Vec<String>,
    sent: Vec<String>,
}

impl Day {
    fn begin() -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/shop/compose.yaml");
        let environment = Environment::new("day").with_file(file);
        let _ = environment.ok(&["up"]);
        let address = SocketAddr::from(([127, 0, 0, 1], environment.port));
        let traffic = Traffic::start(address, Options::fixture(RATE));
        let mut day = Self { environment, traffic, settings: Vec::new(), acknowledged: Vec::new(), sent: Vec::new() };
        std::thread::sleep(Duration::from_secs(1));
        day.noticed("a quiet second", |_| {});
        day
    }

    fn with(mut self, settings: &[(&'static str, &'static str)]) -> Self {
        self.settings = settings.to_vec();
        self
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.environment.command(args);
        command.envs(self.settings.iter().copied());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("mainstay runs")
    }

    fn ok(&self, args: &[&str]) {
        let output = self.run(args);
        assert!(output.status.success(), "mainstay {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Standard error of a run that must fail.
    fn fails(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert_eq!(output.status.code(), Some(1), "mainstay {args:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// What clients noticed while something was done.
    fn report(&mut self, act: impl FnOnce(&mut Self)) -> Report {
        self.keep();
        act(self);
        // What the last of it has caused is noticed now.
        std::thread::sleep(Duration::from_millis(500));
        self.keep()
    }

    fn keep(&mut self) -> Report {
        let report = self.traffic.mark();
        self.acknowledged.extend(report.acknowledged.iter().cloned());
        self.sent.extend(report.sent_ids.iter().cloned());
        report
    }

    /// Does something of which clients must notice nothing.
    fn noticed(&mut self, what: &str, act: impl FnOnce(&mut Self)) {
        let report = self.report(act);
        show(what, &report);
        assert!(report.answered > 0, "{what}: nothing was asked, which proves nothing");
        assert_eq!(report.failed, 0, "{what}:\n{report}");
    }

    fn version(&self) -> String {
        let answer = ureq::get(self.environment.url("/version")).call().expect("it answers");
        let text = answer.into_body().read_to_string().expect("text");
        text.split(' ').next().unwrap_or_default().to_owned()
    }

    fn replicas(&self) -> usize {
        let filter = format!("label=com.docker.compose.project={}", self.environment.project);
        let names = docker(&["ps", "--filter", &filter, "--format", "{{.Names}}"]);
        names.lines().filter(|name| name.contains("-app-")).count()
    }

    /// The newest releases, as their numbers and outcomes.
    fn outcome(&self) -> String {
        let lines = self.environment.ok(&["releases", "--json"]);
        let last: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap_or_default()).expect("JSON");
        last["outcome"].to_string()
    }
}

/// The counts are wanted also where all is well: `cargo test -- --nocapture` shows them.
#[expect(clippy::print_stderr, reason = "a test's own report")]
fn show(what: &str, report: &Report) {
    eprintln!("== {what}\n{report}");
}

#[test]
fn a_day_of_releases_that_nobody_notices() {
    let mut day = Day::begin();

    day = day.with(&[("SHOP_VERSION", "2")]);
    day.noticed("a deploy", |day| day.ok(&["deploy"]));
    assert_eq!(day.version(), "2");
    day.noticed("a rollback", |day| day.ok(&["rollback"]));
    assert_eq!(day.version(), "1");
    for (replicas, word) in [(4, "app=4"), (1, "app=1"), (2, "app=2")] {
        day.noticed(&format!("scale {word}"), |day| day.ok(&["scale", word]));
        assert_eq!(day.replicas(), replicas);
    }
    a_replica_is_killed(&mut day);
    day.ok(&["deploy", "--watch", "0"]);
    assert_eq!(day.version(), "2");
    bad_releases(&mut day);
    a_person_changes_their_mind(&mut day);
    day = day.with(&[("SHOP_VERSION", "2"), ("SHOP_EDGE_HEAD_TIME", "61s")]);
    day.noticed("another edge", |day| day.ok(&["deploy", "edge"]));
    the_edge_is_killed(&mut day);

    // What was acknowledged was done, and nothing was done twice, over all of it.
    let last = day.keep();
    assert_eq!(last.failed, 0, "{last}");
    let ledger = ureq::get(day.environment.url("/ledger")).call().expect("it answers");
    let ledger = ledger.into_body().with_config().limit(64 << 20).read_to_string().expect("text");
    assert_eq!(twice(&ledger, &day.sent), Vec::<&str>::new(), "done twice");
    assert_eq!(missing(&ledger, &day.acknowledged), Vec::<&str>::new(), "acknowledged and not done");
    assert!(day.acknowledged.len() > 100, "only {} writes", day.acknowledged.len());
}

/// SIGKILL while requests are at it: reads and streams go to the other replica. A write that was at it then may have
/// been done or not, and nobody may do it again; with answers that take a millisecond that is rarely even one.
fn a_replica_is_killed(day: &mut Day) {
    let report = day.report(|day| {
        let _ = docker(&["kill", &format!("{}-app-1", day.environment.project)]);
        std::thread::sleep(Duration::from_secs(1));
        day.ok(&["up"]);
    });
    show("a killed replica", &report);
    let in_flight = report.failures.iter().filter(|failure| failure.kind == Kind::Post).count();
    assert!(report.failed as usize == in_flight && in_flight <= 1, "a killed replica:\n{report}");
    assert_eq!(day.replicas(), 2);
}

/// The old release serves on, and the terminal says what was wrong.
fn bad_releases(day: &mut Day) {
    day.settings = vec![("SHOP_VERSION", "3"), ("SHOP_CRASH", "start")];
    day.noticed("a release that crashes", |day| {
        let said = day.fails(&["deploy"]);
        assert!(said.contains("fatal: it was told to crash at its start") && said.contains("hint: "), "{said}");
    });
    day.settings = vec![("SHOP_VERSION", "3"), ("SHOP_MIGRATE", "fail")];
    day.noticed("a migration that fails", |day| {
        let said = day.fails(&["deploy"]);
        assert!(said.contains("the migration was told to fail"), "{said}");
    });
    day.settings = vec![("SHOP_VERSION", "3"), ("SHOP_READY", "never")];
    day.noticed("a release that never gets ready", |day| {
        let said = day.fails(&["deploy"]);
        assert!(said.contains("is not ready after"), "{said}");
    });
    day.settings = vec![("SHOP_VERSION", "3"), ("SHOP_FAIL_EVERY", "3")];
    let report = day.report(|day| {
        let said = day.fails(&["deploy"]);
        assert!(said.contains("does worse: ") && said.contains("hint: what ran before"), "{said}");
    });
    show("a release that fails one request in three", &report);
    assert!(report.failed >= 3, "it was not noticed by its failures:\n{report}");
    assert!(report.failed * 100 < report.sent, "one in a hundred has seen it:\n{report}");
    assert!(day.outcome().contains("does worse"), "{}", day.outcome());
    assert_eq!((day.version().as_str(), day.replicas()), ("2", 2));
}

fn a_person_changes_their_mind(day: &mut Day) {
    day.settings = vec![("SHOP_VERSION", "4")];
    day.noticed("Ctrl-C in the middle of a deploy", |day| {
        let mut deploy = day.command(&["deploy", "--watch", "60s"]).spawn().expect("mainstay runs");
        let edge = day.environment.container("edge");
        eventually("the release is on trial", || docker(&["exec", &edge, "edge", "targets"]).contains("on trial"));
        let interrupted = Command::new("kill").args(["-INT", &deploy.id().to_string()]).status().expect("kill runs");
        assert!(interrupted.success());
        assert_eq!(deploy.wait().expect("it ends").code(), Some(130));
    });
    assert_eq!((day.version().as_str(), day.replicas()), ("2", 2));
    day.noticed("a machine that goes away in the middle of a deploy", |day| {
        let mut deploy = day.command(&["deploy", "--watch", "60s"]).spawn().expect("mainstay runs");
        let edge = day.environment.container("edge");
        eventually("the release is on trial", || docker(&["exec", &edge, "edge", "targets"]).contains("on trial"));
        deploy.kill().expect("it is killed");
        deploy.wait().expect("it ends");
        // The next one takes the lock over from a process that is gone, and ends what was begun.
        day.ok(&["deploy", "--watch", "0"]);
    });
    assert_eq!((day.version().as_str(), day.replicas()), ("4", 2));
    day.settings = vec![("SHOP_VERSION", "2")];
    day.ok(&["deploy", "--watch", "0"]);
}

/// From outside, so that the engine's restart policy counts it as a crash. This one is noticed; how much is printed.
fn the_edge_is_killed(day: &mut Day) {
    let report = day.report(|day| {
        let found = day.environment.inspect(&day.environment.container("edge"));
        let pid = found.pointer("/State/Pid").and_then(serde_json::Value::as_u64).expect("it runs");
        assert!(Command::new("kill").args(["-KILL", &pid.to_string()]).status().expect("kill runs").success());
        std::thread::sleep(Duration::from_secs(2));
    });
    show("a killed edge", &report);
    assert!(report.answered > u64::from(RATE), "it came back:\n{report}");
}
