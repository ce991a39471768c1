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
fn complaints_name_the_file() {
    let case = Case::new(BASE).and("services:\n  a: {restart: never}");
    assert_snapshot!(case.at(""), @r"
    compose.1.yaml:2:16: services.a.restart: `never` is no restart policy
      hint: there is `no`, `always`, `unless-stopped`, `on-failure`
    ");
}
