//! The engine itself goes away and comes back, and with it every container: what a reboot does.
//!
//! It stops everything on this engine, so `./check` runs it in CI, and for a person only when asked.

use std::process::Command;

use testkit::environment::{Environment, eventually};

fn run(program: &str, args: &[&str]) {
    let status = Command::new(program).args(args).status().unwrap_or_else(|error| panic!("run {program}: {error}"));
    assert!(status.success(), "{program} {}: {status}", args.join(" "));
}

/// Stops dockerd as a shutdown does, and starts it as a boot does.
fn restart_the_engine() {
    if std::path::Path::new("/run/systemd/system").is_dir() {
        return run("systemctl", &["restart", "docker"]);
    }
    let pid = std::fs::read_to_string("/var/run/docker.pid").expect("dockerd has a pid file");
    run("kill", &["-TERM", pid.trim()]);
    let process = format!("/proc/{}", pid.trim());
    eventually("dockerd has ended", || !std::path::Path::new(&process).exists());
    run(concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/provide-engine"), &[]);
}

fn answers(environment: &Environment, path: &str) -> Option<String> {
    let config = ureq::Agent::config_builder().timeout_global(Some(std::time::Duration::from_secs(5))).build();
    ureq::Agent::from(config).get(environment.url(path)).call().ok()?.body_mut().read_to_string().ok()
}

#[test]
fn the_environment_comes_back_by_itself_with_its_data() {
    let environment = Environment::new("boot");
    let _ = environment.ok(&["up"]);
    let todo = serde_json::json!({"title": "survive a reboot"});
    ureq::post(environment.url("/todos")).send_json(todo).expect("the todo is acknowledged");
    restart_the_engine();
    eventually("the application is ready", || answers(&environment, "/readyz").is_some());
    let todos = answers(&environment, "/todos").expect("the list is answered");
    assert!(todos.contains("survive a reboot"), "{todos}");
    // A container that shares another's network may have been started before it, which the engine does not try again.
    // Then the front door serves by itself, and this starts what is missing without a gap.
    let _ = environment.ok(&["up"]);
    assert!(answers(&environment, "/todos").expect("the list is answered").contains("survive a reboot"));
    assert_eq!(environment.run(&["plan"]).status.code(), Some(0), "all is as the file asks");
}
