//! The bad day: kills, interruptions, hands that meddle.

use std::time::Duration;

use serde_json::Value;
use testkit::environment::{Environment, docker, eventually};

use crate::http::{add, eventually_ready, status, titles};

fn running(environment: &Environment, service: &str) -> bool {
    let found = environment.inspect(&environment.container(service));
    found.pointer("/State/Running") == Some(&Value::Bool(true))
}

/// Kills process 1 of a container as a crash does: `docker kill` would tell the
/// engine that a person wants it gone, and its restart policy would rest.
fn crash(environment: &Environment, service: &str) {
    let found = environment.inspect(&environment.container(service));
    let pid = found.pointer("/State/Pid").and_then(Value::as_i64).expect("it runs");
    let killed = std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status().expect("kill runs");
    assert!(killed.success());
}

#[test]
fn a_crash_of_either_is_survived() {
    let environment = Environment::new("crash");
    let _ = environment.ok(&["up"]);
    add(&environment, "survive");
    for service in ["app", "db"] {
        crash(&environment, service);
        eventually(&format!("{service} is back"), || running(&environment, service));
        eventually_ready(&environment);
        assert_eq!(titles(&environment), ["survive"]);
    }
}

#[test]
fn a_kill_of_either_is_made_good_by_up() {
    let environment = Environment::new("kill");
    let _ = environment.ok(&["up"]);
    add(&environment, "survive");
    for service in ["app", "db"] {
        let _ = docker(&["kill", &environment.container(service)]);
        eventually(&format!("{service} is down"), || !running(&environment, service));
        let _ = environment.ok(&["up"]);
        eventually_ready(&environment);
        assert_eq!(titles(&environment), ["survive"]);
    }
    let _ = docker(&["rm", "-f", &environment.container("app")]);
    let _ = docker(&["pause", &environment.container("db")]);
    let _ = environment.ok(&["up"]);
    assert_eq!(titles(&environment), ["survive"]);
}

#[test]
fn a_request_waits_for_a_database_that_restarts() {
    let environment = Environment::new("wait");
    let _ = environment.ok(&["up"]);
    let db = environment.container("db");
    let restart = std::thread::spawn(move || docker(&["restart", &db]));
    let begun = std::time::Instant::now();
    let mut written = Vec::new();
    while !restart.is_finished() && begun.elapsed() < Duration::from_secs(60) {
        let title = format!("todo {}", written.len());
        add(&environment, &title);
        written.push(title);
        std::thread::sleep(Duration::from_millis(50));
    }
    let _ = restart.join().expect("the restart ends well");
    assert_eq!(titles(&environment), written, "what was acknowledged is there, once");
}

#[test]
fn an_interrupted_up_goes_on_where_it_was() {
    let environment = Environment::new("stop");
    // From the first look at the engine to the last wait: wherever it strikes.
    for (round, delay_ms) in [100, 400, 800, 1200, 1700, 2300].into_iter().enumerate() {
        let mut up = environment.command(&["up"]).stderr(std::process::Stdio::null()).spawn().expect("up starts");
        std::thread::sleep(Duration::from_millis(delay_ms));
        let signal = if round % 2 == 0 { "-INT" } else { "-KILL" };
        let _ = std::process::Command::new("kill").args([signal, &up.id().to_string()]).status();
        let _ = up.wait().expect("it ends");
        if round == 3 {
            let _ = environment.ok(&["down"]);
        }
    }
    let _ = environment.ok(&["up"]);
    assert_eq!(status(&environment, "/readyz"), 200);
    assert_eq!(environment.run(&["plan"]).status.code(), Some(0));
    assert_eq!(titles(&environment), Vec::<String>::new());
}

#[test]
fn a_service_that_crashes_at_start_leaves_the_old_one_and_shows_its_last_words() {
    let environment = Environment::new("bad");
    let _ = environment.ok(&["up"]);
    add(&environment, "stay");
    let path = std::env::temp_dir().join(format!("{}.yaml", environment.project));
    std::fs::write(&path, "services: {app: {command: [no-such-verb]}}").expect("the override is written");
    let mut up = environment.command(&[]);
    let up = up.args(["-f"]).arg(&path).arg("up").output().expect("up runs");
    std::fs::remove_file(&path).expect("the override is removed");
    let said = String::from_utf8_lossy(&up.stderr).into_owned();
    assert_eq!(up.status.code(), Some(1), "{said}");
    assert!(said.contains("the last lines of container") && said.contains("no-such-verb"), "{said}");
    eventually_ready(&environment);
    assert_eq!(titles(&environment), ["stay"]);
    assert_eq!(environment.run(&["plan"]).status.code(), Some(0), "the old one is as the file asks");
}
