//! Up, up again, plan, down, and up again.

use std::collections::BTreeMap;

use serde_json::Value;
use testkit::environment::{Environment, docker};

use crate::http::{add, status, titles};

/// Which container it is and when it was started: what a restart or a replacement changes.
fn identities(environment: &Environment) -> BTreeMap<String, (String, String)> {
    let identity = |service: &str| {
        let found = environment.inspect(&environment.container(service));
        let text = |pointer: &str| found.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        (service.to_owned(), (text("/Id"), text("/State/StartedAt")))
    };
    ["db", "migrate", "app"].map(identity).into()
}

#[test]
fn from_nothing_to_todomvc_and_back() {
    let environment = Environment::new("life");
    let plan = environment.run(&["plan"]);
    assert_eq!(plan.status.code(), Some(2), "there is something to do");
    let shown = environment.ok(&["up"]);
    assert!(shown.contains(&environment.container("app")), "{shown}");
    assert_eq!(status(&environment, "/"), 200);
    assert_eq!(status(&environment, "/readyz"), 200);
    add(&environment, "buy milk");

    // Again: no container is touched, and `plan` agrees.
    let before = identities(&environment);
    let again = environment.run(&["up"]);
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(said.contains("nothing to do"), "{said}");
    assert_eq!(identities(&environment), before);
    assert_eq!(environment.run(&["plan"]).status.code(), Some(0));

    // Without `--volumes` the data stays.
    let _ = environment.ok(&["down"]);
    assert_eq!(status(&environment, "/"), 0);
    let _ = environment.ok(&["up"]);
    assert_eq!(titles(&environment), ["buy milk"]);

    // With it, nothing stays; and nobody is there to agree without `--yes`.
    let refused = environment.run(&["down", "--volumes"]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(titles(&environment), ["buy milk"], "a refusal must change nothing");
    let _ = environment.ok(&["down", "--volumes", "--yes"]);
    let filter = format!("label=mainstay.project={}", environment.project);
    for kind in [&["ps", "-aq"][..], &["volume", "ls", "-q"], &["network", "ls", "-q"]] {
        let args = [kind, &["--filter", &filter]].concat();
        assert_eq!(docker(&args), "", "docker {} shows what was left behind", args.join(" "));
    }
}

#[test]
fn the_database_is_on_a_machine_of_its_own_that_nobody_else_reaches() {
    let environment = Environment::new("wall");
    let _ = environment.ok(&["up"]);
    let db = environment.inspect(&environment.container("db"));
    let app = environment.inspect(&environment.container("app"));
    assert_ne!(db["Id"], app["Id"]);
    let published = db.pointer("/HostConfig/PortBindings").and_then(Value::as_object).map_or(0, serde_json::Map::len);
    assert_eq!(published, 0, "the database has a port on the host");
    let networks = |found: &Value| {
        let all = found.pointer("/NetworkSettings/Networks").and_then(Value::as_object).cloned().unwrap_or_default();
        all.keys().cloned().collect::<Vec<_>>()
    };
    let data = format!("{}_data", environment.project);
    assert_eq!(networks(&db), std::slice::from_ref(&data));
    assert!(networks(&app).contains(&data));
    assert_eq!(environment.inspect(&data)["Internal"], true);

    for found in [&db, &app] {
        let host = &found["HostConfig"];
        assert_eq!(host["ReadonlyRootfs"], true);
        assert_eq!(host["CapDrop"], serde_json::json!(["ALL"]));
        assert_eq!(host["SecurityOpt"], serde_json::json!(["no-new-privileges:true"]));
        assert_ne!(found.pointer("/Config/User"), Some(&Value::from("")), "it runs as root");
        for limit in ["Memory", "PidsLimit", "NanoCpus"] {
            assert!(host[limit].as_i64().is_some_and(|limit| limit > 0), "{limit} has no limit");
        }
        // The password is a file, and in nothing that `docker inspect` shows.
        let text = found.to_string();
        assert!(!text.contains("POSTGRES_PASSWORD=") && !text.contains("PGPASSWORD"), "{text}");
    }
    let password = environment.ok(&["exec", "db", "cat", "/run/secrets/db_password"]);
    assert_eq!(password.len(), 64);
    assert!(!db.to_string().contains(&password) && !app.to_string().contains(&password));
    assert!(!environment.ok(&["logs"]).contains(&password));
    let mode = environment.ok(&["exec", "db", "stat", "-c", "%a %u", "/run/secrets/db_password"]);
    assert_eq!(mode.trim(), "400 999");
}

#[test]
fn a_change_replaces_what_it_is_about_and_nothing_else() {
    let environment = Environment::new("swap");
    let _ = environment.ok(&["up"]);
    add(&environment, "stay");
    let before = identities(&environment);
    let plan = environment.command(&["plan"]).env("LOG_LEVEL", "debug").output().expect("plan runs");
    let text = String::from_utf8_lossy(&plan.stdout).into_owned();
    assert!(text.contains("environment.LOG_LEVEL: info -> debug"), "{text}");
    assert!(text.contains("no downtime") && text.contains("try release 2 of app for 10 s"), "{text}");
    let mut up = environment.command(&["deploy", "--watch", "0"]);
    let up = up.env("LOG_LEVEL", "debug").output().expect("deploy runs");
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    let after = identities(&environment);
    assert_eq!(after["db"], before["db"], "the database was touched");
    assert_ne!(after["app"], before["app"]);
    assert_eq!(titles(&environment), ["stay"]);
}

#[test]
fn two_projects_on_one_engine_do_not_see_each_other() {
    let one = Environment::new("one");
    let two = Environment::new("two");
    let _ = one.ok(&["up"]);
    let _ = two.ok(&["up"]);
    add(&one, "only in one");
    assert_eq!(titles(&two), Vec::<String>::new());
    let _ = two.ok(&["down", "--volumes", "--yes"]);
    assert_eq!(titles(&one), ["only in one"]);
    assert_eq!(one.run(&["plan"]).status.code(), Some(0));
}

#[test]
fn a_taken_port_is_found_before_anything_is_touched() {
    let environment = Environment::new("port");
    let listener = std::net::TcpListener::bind(("127.0.0.1", environment.port)).expect("the port is free");
    let up = environment.run(&["up"]);
    let said = String::from_utf8_lossy(&up.stderr).into_owned();
    assert_eq!(up.status.code(), Some(1));
    assert!(said.contains(&format!("port {} of the host is taken by process", environment.port)), "{said}");
    assert!(said.contains("hint:"), "{said}");
    let filter = format!("label=mainstay.project={}", environment.project);
    assert_eq!(docker(&["ps", "-aq", "--filter", &filter]), "", "something was made all the same");
    drop(listener);
}

#[test]
fn docker_compose_reads_the_same_file() {
    // Debian's package of Compose v2, in a container of ours: no registry is needed for it.
    let context = std::env::temp_dir().join(format!("ms-compose-{}", std::process::id()));
    std::fs::create_dir_all(&context).expect("the folder is made");
    let dockerfile = "FROM debian:trixie-slim\nRUN apt-get update -qq && apt-get install -y -qq --no-install-recommends docker-compose\n";
    std::fs::write(context.join("Dockerfile"), dockerfile).expect("the Dockerfile is written");
    let built = std::process::Command::new("docker")
        .args(["build", "-q", "-t", "mainstay/check-compose"])
        .arg(&context)
        .env("DOCKER_BUILDKIT", "0")
        .output()
        .expect("docker runs");
    std::fs::remove_dir_all(&context).expect("the folder is removed");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let mount = format!("{root}:/project:ro");
    let binary = "/usr/libexec/docker/cli-plugins/docker-compose";
    let services = docker(&[
        "run",
        "--rm",
        "-v",
        &mount,
        "-w",
        "/project",
        "mainstay/check-compose",
        binary,
        "-f",
        "compose.yaml",
        "config",
        "--services",
    ]);
    let mut services: Vec<&str> = services.lines().collect();
    services.sort_unstable();
    assert_eq!(services, ["app", "db", "edge", "front-door", "migrate"]);
}
