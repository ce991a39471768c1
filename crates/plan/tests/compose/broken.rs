//! What is wrong is said with file, line, column, key and a way out.

use insta::assert_snapshot;

use crate::support::{Case, complaints};

#[test]
fn a_typo_is_guessed() {
    assert_snapshot!(complaints("enviroment: {A: 1}"), @r"
    compose.yaml:4:5: services.a.enviroment: the key `enviroment` is not supported here
      hint: did you mean `environment`?
    ");
    assert_snapshot!(complaints("healthcheck: {intervall: 5s}"), @r"
    compose.yaml:4:19: services.a.healthcheck.intervall: the key `intervall` is not supported here
      hint: did you mean `interval`?
    ");
}

#[test]
fn what_is_refused_says_what_to_do_instead() {
    assert_snapshot!(complaints("extends: {service: b}\nvolumes_from: [b]"), @r"
    compose.yaml:4:5: services.a.extends: the key `extends` is not supported here
      hint: use a YAML anchor and `<<`, or several files with `-f`
    compose.yaml:5:5: services.a.volumes_from: the key `volumes_from` is not supported here
      hint: give both services the same named volume
    ");
}

#[test]
fn every_error_of_a_file_is_shown_at_once() {
    assert_snapshot!(complaints("ports: [70000, x:1]\nrestart: sometimes\nmem_limit: lots\nhealthcheck: {interval: 5, test: [x]}\nvolumes: ['a:b', 'C:\\x:/y']"), @r"
    compose.yaml:4:13: services.a.ports[0]: `70000` is no port from 1 to 65535, and no range of at most 1000
      hint: such as `8080:80`, `127.0.0.1:5432:5432` or `53:53/udp`
    compose.yaml:4:20: services.a.ports[1]: `x` is no port from 1 to 65535, and no range of at most 1000
      hint: such as `8080:80`, `127.0.0.1:5432:5432` or `53:53/udp`
    compose.yaml:5:14: services.a.restart: `sometimes` is no restart policy
      hint: there is `no`, `always`, `unless-stopped`, `on-failure`
    compose.yaml:6:16: services.a.mem_limit: expected a size, found `lots`
      hint: such as `512m`
    compose.yaml:7:29: services.a.healthcheck.interval: expected a duration with its unit, found `5`
      hint: such as `1m30s`
    compose.yaml:7:38: services.a.healthcheck.test: a test begins with `CMD`, `CMD-SHELL` or `NONE`
      hint: such as `[CMD, pg_isready]`
    compose.yaml:8:15: services.a.volumes[0]: the path inside the container, `b`, is not absolute
      hint: such as `/var/lib/data`
    compose.yaml:8:22: services.a.volumes[1]: `C:\x:/y` has a Windows path
      hint: the engine's host is Linux; write a path of it
    ");
}

#[test]
fn references_that_lead_nowhere() {
    let yaml = "services: {app: {image: i, networks: [frnt], volumes: ['dta:/d'], secrets: [pw], depends_on: [dbb]}, db: {image: i}}\nnetworks: {front: }\nvolumes: {data: }";
    assert_snapshot!(Case::new(yaml).at(""), @r"
    compose.yaml:1:39: services.app.networks[0]: the file does not define the network `frnt`
      hint: did you mean `front`?
    compose.yaml:1:56: services.app.volumes[0]: the file does not define the volume `dta`
      hint: did you mean `data`?
    compose.yaml:1:77: services.app.secrets[0]: the file does not define the secret `pw`
      hint: add it under `secrets:` at the top level
    compose.yaml:1:95: services.app.depends_on[0]: it depends on `dbb`, and there is no such service
      hint: did you mean `db`?
    ");
}

#[test]
fn circles_are_named() {
    let yaml =
        "services: {a: {image: i, depends_on: [b]}, b: {image: i, depends_on: [c]}, c: {image: i, depends_on: [b]}}";
    assert_snapshot!(Case::new(yaml).at(""), @r"
    compose.yaml:1:12: services.a: services depend on each other in a circle: `b` -> `c` -> `b`
      hint: take one of their `depends_on` away
    ");
}

#[test]
fn yaml_that_is_none() {
    assert_snapshot!(Case::new("services:\n  a: [1\n").at(""), @"compose.yaml:3:1: this is not YAML: while parsing a flow sequence, expected ',' or ']'");
    assert_snapshot!(Case::new("services: {a: {image: i, image: j}}").at(""), @"compose.yaml:1:26: the key `image` stands twice");
    assert_snapshot!(Case::new("").at(""), @"compose.yaml:1:1: a stack has from 1 to 1000 services, and this has 0");
    assert_snapshot!(Case::new("- a").at(""), @"compose.yaml:1:1: expected a mapping, found a list");
}

#[test]
fn variables_that_must_be_set() {
    assert_snapshot!(Case::new("services: {a: {image: '${I:?name the image}'}}").at(""), @"compose.yaml:1:23: services.a.image: the variable `I` is not set: name the image");
}

#[test]
fn contradictions() {
    assert_snapshot!(complaints("scale: 2\ndeploy: {replicas: 3}"), @r"
    compose.yaml:4:12: services.a.scale: `scale: 2` contradicts `deploy.replicas: 3`
      hint: take `scale` away
    ");
    assert_snapshot!(complaints("container_name: x\nscale: 2"), @r"
    compose.yaml:2:3: services.a: `container_name` forbids more than one replica
      hint: take one of the two away
    ");
    assert_snapshot!(complaints("network_mode: host\nnetworks: [default]"), @r"
    compose.yaml:4:5: services.a.network_mode: `network_mode` and `networks` exclude each other
      hint: take one of the two away
    ");
    assert_snapshot!(complaints("healthcheck: {test: x, start_interval: 1s}"), @r"
    compose.yaml:4:44: services.a.healthcheck.start_interval: `start_interval` works only within a `start_period`
      hint: add a `start_period`, such as `30s`
    ");
}

#[test]
fn x_mainstay_is_checked_and_other_extensions_are_not() {
    assert_snapshot!(complaints("x-anything: {a: 1}\nx-mainstay: {a: 1}"), @"compose.yaml:5:5: services.a.x-mainstay: the key `x-mainstay` is not supported here");
    assert_snapshot!(Case::new("services: {a: {image: i, secrets: [s]}}\nsecrets: {s: {x-mainstay: {generate: 4}}}").at(""), @"
    compose.yaml:2:38: secrets.s.x-mainstay.generate: `generate` takes a number of bytes from 16 to 1024
      hint: such as `generate: 32`
    ");
}

#[test]
fn names_must_be_names() {
    assert_snapshot!(Case::new("name: My Shop\nservices: {a: {image: i}}").at(""), @r"
    compose.yaml:1:7: name: `My Shop` cannot be a project's name
      hint: lower-case letters, digits, `-` and `_`; the first a letter or a digit
    ");
    assert_snapshot!(Case::new("services: {'-x': {image: i}}").at(""), @r"
    compose.yaml:1:12: services.-x: `-x` cannot be a service's name
      hint: letters, digits, `-`, `_` and `.`, 63 at most
    ");
}
