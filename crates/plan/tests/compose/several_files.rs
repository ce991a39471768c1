//! Several files as one.

use insta::assert_snapshot;

use crate::support::Case;

const BASE: &str = "
services:
  a:
    image: i:1
    command: [one]
    environment: [A=1, B=1]
    ports: ['80:80']
    networks: [n]
    volumes: ['v:/v']
    healthcheck: {test: [CMD, x], interval: 5s}
networks: {n: {}, m: {}}
volumes: {v: {}}
";

#[test]
fn mappings_merge_lists_append_and_commands_are_replaced() {
    let case = Case::new(BASE).and("services: {a: {image: 'i:2', command: [two], environment: {B: 2, C: 2}, ports: ['80:80', '81:81'], networks: [m], volumes: ['./w:/v'], healthcheck: {test: [CMD, y]}}}");
    assert_snapshot!(case.at("/services/a/image"), @r#""i:2""#);
    assert_snapshot!(case.at("/services/a/command"), @r#"["two"]"#);
    assert_snapshot!(case.at("/services/a/environment"), @r#"{"A":"1","B":"2","C":"2"}"#);
    assert_snapshot!(case.at("/services/a/ports"), @r#"[{"protocol":"tcp","published":80,"target":80},{"protocol":"tcp","published":81,"target":81}]"#);
    assert_snapshot!(case.at("/services/a/networks"), @r#"{"m":{},"n":{}}"#);
    assert_snapshot!(case.at("/services/a/mounts/0/source"), @r#""/srv/shop/w""#);
    assert_snapshot!(case.at("/services/a/healthcheck"), @r#"{"interval_ms":5000,"test":["CMD","y"]}"#);
}

#[test]
fn reset_and_override() {
    let case = Case::new(BASE)
        .and("services: {a: {ports: !override ['9:9'], environment: !reset null, healthcheck: {interval: !reset 1s}}}");
    assert_snapshot!(case.at("/services/a/ports"), @r#"[{"protocol":"tcp","published":9,"target":9}]"#);
    assert_snapshot!(case.at("/services/a/environment"), @"(not set)");
    assert_snapshot!(case.at("/services/a/healthcheck"), @r#"{"test":["CMD","x"]}"#);
}

#[test]
fn each_key_merges_by_its_own_rule() {
    let merged = |base: &str, over: &str, pointer: &str| {
        let file =
            |text: &str| format!("services: {{a: {{image: i, {text}}}, b: {{image: i}}}}\nnetworks: {{n: , m: }}");
        Case::new(&file(base)).and(&file(over)).at(&format!("/services/a{pointer}"))
    };
    assert_snapshot!(merged("build: ./x", "build: {target: t}", "/build"), @r#"{"args":{},"bases":[],"context":"/srv/shop/x","digest":"","dockerfile":"Dockerfile","labels":{},"target":"t"}"#);
    assert_snapshot!(merged("depends_on: [b]", "depends_on: {b: {condition: service_healthy}}", "/depends_on"), @r#"{"b":{"condition":"service_healthy","required":true,"restart":false}}"#);
    assert_snapshot!(merged("logging: {driver: local, options: {max-size: 1m}}", "logging: {driver: journald}", "/logging"), @r#"{"driver":"journald","options":{}}"#);
    assert_snapshot!(merged("logging: {options: {max-size: 1m}}", "logging: {options: {max-file: 2}}", "/logging"), @r#"{"driver":"","options":{"max-file":"2","max-size":"1m"}}"#);
    assert_snapshot!(merged("dns: 1.1.1.1", "dns: [8.8.8.8]", "/dns"), @r#"["1.1.1.1","8.8.8.8"]"#);
    assert_snapshot!(merged("extra_hosts: {h: 10.0.0.1}", "extra_hosts: ['h=10.0.0.2', 'h=10.0.0.1']", "/extra_hosts"), @r#"["h:10.0.0.1","h:10.0.0.2"]"#);
    assert_snapshot!(merged("ulimits: {nofile: {soft: 1, hard: 2}}", "ulimits: {nofile: 3}", "/resources/ulimits"), @r#"{"nofile":[3,3]}"#);
    assert_snapshot!(merged("networks: {n: {aliases: [x]}}", "networks: {n: {aliases: [y]}, m: }", "/networks"), @r#"{"m":{},"n":{"aliases":["x","y"]}}"#);
    assert_snapshot!(merged("labels: {a: 1, b: 1}", "labels: [b=2]", "/labels"), @r#"{"a":"1","b":"2"}"#);
    assert_snapshot!(merged("ports: ['80:80', {target: 81, published: 81}]", "ports: ['81:81/tcp']", "/ports"), @r#"[{"protocol":"tcp","published":80,"target":80},{"protocol":"tcp","published":81,"target":81}]"#);
    assert_snapshot!(merged("volumes: ['./a:/x/', './b:/y']", "volumes: ['./c:/x']", "/mounts"), @r#"[{"create_host_path":true,"read_only":false,"source":"/srv/shop/c","target":"/x","type":"bind"},{"create_host_path":true,"read_only":false,"source":"/srv/shop/b","target":"/y","type":"bind"}]"#);
    assert_snapshot!(merged("restart: always", "restart: null", "/restart"), @r#""always""#);
}

#[test]
fn a_rule_is_for_its_key_and_not_for_a_service_of_that_name() {
    let base = "services: {test: {image: i, user: '1'}, command: {image: i, labels: [a=1]}}";
    let case = Case::new(base).and("services: {test: {hostname: h}, command: {labels: {b: 2}}}");
    assert_snapshot!(case.at("/services/test/user"), @r#""1""#);
    assert_snapshot!(case.at("/services/command/labels"), @r#"{"a":"1","b":"2"}"#);
}

#[test]
fn the_last_name_is_the_projects() {
    let case = Case::new("name: one\nservices: {a: {image: i}}").and("name: ${NAME}");
    assert_snapshot!(case.at("/project"), @r#"
    "one"
    warning: compose.1.yaml:1:7: name: the variable `NAME` is not set, and is taken as empty
      hint: set it in `.env`, or give a default: `${NAME:-value}`; `$$` is a dollar sign
    "#);
    let yaml = "name: ${NAME-}\nservices: {a: {image: 'i:${COMPOSE_PROJECT_NAME}'}}";
    assert_snapshot!(Case::new(yaml).at("/services/a/image"), @r#""i:shop""#);
    assert_snapshot!(Case::new(yaml).var("COMPOSE_PROJECT_NAME", "own").at("/services/a/image"), @r#""i:own""#);
}

#[test]
fn complaints_name_the_file() {
    let case = Case::new(BASE).and("services:\n  a: {restart: never}");
    assert_snapshot!(case.at(""), @r"
    compose.1.yaml:2:16: services.a.restart: `never` is no restart policy
      hint: there is `no`, `always`, `unless-stopped`, `on-failure`
    ");
}
