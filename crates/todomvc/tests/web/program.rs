//! The program as the container runs it: arguments, environment, exit codes, signals, and its log.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use testkit::database::Database;

#[test]
fn it_says_its_version_and_refuses_what_it_does_not_know() {
    let version = run(&["--version"], &[]);
    assert_eq!(version.status.code(), Some(0));
    assert_eq!(text(&version.stdout), format!("todomvc {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(run(&["dance"], &[]).status.code(), Some(2));
}

#[test]
fn a_bad_configuration_is_explained_with_exit_code_2() {
    for (command, variable, value) in [
        ("serve", "LISTEN", "everywhere"),
        ("serve", "LOG_LEVEL", "loud"),
        ("migrate", "DATABASE_URL", "mysql://db"),
        ("migrate", "DATABASE_PASSWORD_FILE", "/nonexistent/password"),
        ("healthcheck", "LISTEN", "8080"),
    ] {
        let output = run(&[command], &[(variable, value)]);
        assert_eq!(output.status.code(), Some(2), "{variable}");
        let message = text(&output.stderr);
        assert!(message.starts_with(&format!("error: `{variable}` cannot be used: ")), "{message}");
    }
}

#[test]
fn it_serves_tells_its_health_logs_requests_and_stops_on_sigterm() {
    let database = Database::create();
    let url = database.url();
    let migrated = run(&["migrate", "--wait", "60"], &[("DATABASE_URL", &url)]);
    assert_eq!(migrated.status.code(), Some(0), "{}", text(&migrated.stderr));
    assert!(text(&migrated.stdout).contains("applied `0001_todos.sql`"));

    let listen = free_address();
    let unhealthy = run(&["healthcheck"], &[("LISTEN", &listen)]);
    assert_eq!(unhealthy.status.code(), Some(1));
    assert!(text(&unhealthy.stderr).contains("does not answer"), "{}", text(&unhealthy.stderr));

    let mut serving = start(&[("DATABASE_URL", &url), ("LISTEN", &listen)]);
    let mut log = BufReader::new(serving.stdout.take().unwrap());
    let mut first = String::new();
    log.read_line(&mut first).unwrap();
    assert_eq!(line(&first)["message"], "listening");
    let healthy = run(&["healthcheck"], &[("LISTEN", &listen)]);
    assert_eq!((healthy.status.code(), text(&healthy.stdout).as_str()), (Some(0), "ready\n"));
    let mut traced = TcpStream::connect(&listen).unwrap();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let head = format!(
        "GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntraceparent: 00-{trace}-00f067aa0ba902b7-01\r\n\r\n"
    );
    traced.write_all(head.as_bytes()).unwrap();
    traced.read_to_string(&mut String::new()).unwrap();

    let pid = serving.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert_eq!(serving.wait().unwrap().code(), Some(0));
    let mut rest = String::new();
    log.read_to_string(&mut rest).unwrap();
    let requests: Vec<Value> = rest.lines().map(line).filter(|line| line["message"] == "request").collect();
    let [request, traced] = &requests[..] else { panic!("{rest}") };
    assert_eq!((&request["method"], &request["path"]), (&"GET".into(), &"/readyz".into()));
    assert_eq!(request["status"], 200);
    assert!(request["duration_ms"].is_number() && request["request_id"].is_string(), "{request}");
    assert_eq!((&request["trace_id"], &traced["trace_id"]), (&Value::Null, &trace.into()));
}

#[test]
fn the_healthcheck_gives_the_reason() {
    let database = Database::create();
    let listen = free_address();
    let mut serving = start(&[("DATABASE_URL", &database.url()), ("LISTEN", &listen)]);
    let mut first = String::new();
    BufReader::new(serving.stdout.as_mut().unwrap()).read_line(&mut first).unwrap();
    let output = run(&["healthcheck"], &[("LISTEN", &listen)]);
    serving.kill().unwrap();
    serving.wait().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("run `todomvc migrate`"), "{}", text(&output.stderr));
}

#[test]
fn an_error_is_found_in_the_log_by_the_requests_id() {
    let database = Database::create();
    let listen = free_address();
    let variables = [("DATABASE_URL", &*database.url()), ("LISTEN", &listen), ("LOG_LEVEL", "error")];
    let mut serving = start(&variables);
    let mut log = BufReader::new(serving.stdout.take().unwrap());
    let mut connection = loop {
        if let Ok(connection) = TcpStream::connect(&listen) {
            break connection;
        }
    };
    // There is no such table, since nobody has migrated.
    connection.write_all(b"GET /todos HTTP/1.1\r\nhost: x\r\nx-request-id: look-for-me\r\n\r\n").unwrap();
    let mut first = String::new();
    log.read_line(&mut first).unwrap();
    serving.kill().unwrap();
    serving.wait().unwrap();
    let error = line(&first);
    assert_eq!((&error["level"], &error["span"]["request_id"]), (&"ERROR".into(), &"look-for-me".into()));
}

fn command(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_todomvc"));
    command.args(arguments).env_clear().envs(variables.iter().copied()).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    command(arguments, variables).output().unwrap()
}

fn start(variables: &[(&str, &str)]) -> Child {
    command(&["serve"], variables).stdout(Stdio::piped()).spawn().unwrap()
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn line(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}
