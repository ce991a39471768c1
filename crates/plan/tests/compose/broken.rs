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
    assert_snapshot!(complaints("x-anything: {a: 1}\nx-mainstay: {a: 1}"), @"
    compose.yaml:5:17: services.a.x-mainstay: `edge` and `port` are wanted: the service that is the edge, and where this one listens
      hint: such as `x-mainstay: {edge: edge, port: 8080}`
    compose.yaml:5:18: services.a.x-mainstay.a: the key `a` is not supported here
    ");
    assert_snapshot!(Case::new("services: {a: {image: i, secrets: [s]}}\nsecrets: {s: {x-mainstay: {generate: 4}}}").at(""), @"
    compose.yaml:2:38: secrets.s.x-mainstay.generate: `generate` takes a number of bytes from 16 to 1024
      hint: such as `generate: 32`
    ");
}

#[test]
fn an_edge_is_a_service_that_reaches_what_is_behind_it() {
    let behind = |edge: &str, more: &str| {
        let app = format!("app: {{image: a, networks: [inner], x-mainstay: {{edge: {edge}, port: 80}}}}");
        Case::new(&format!("services:\n  {app}\n  {more}\nnetworks: {{inner: {{}}, front: {{}}}}\n"))
            .at("/services/app/edge")
    };
    assert_snapshot!(behind("egde", "edge: {image: e, networks: [inner]}"), @"
    compose.yaml:2:57: services.app.x-mainstay.edge: there is no active service `egde` that could be its edge
      hint: there is `app`, `edge`
    ");
    assert_snapshot!(behind("edge", "edge: {image: e, networks: [front]}"), @"
    compose.yaml:2:57: services.app.x-mainstay.edge: `edge` cannot reach it: they share no network
      hint: put both on one network under `networks:`
    ");
    assert_snapshot!(behind("app", "edge: {image: e, networks: [inner]}"), @"
    compose.yaml:2:57: services.app.x-mainstay.edge: `app` is behind an edge itself
      hint: one edge stands before all services
    ");
    assert_snapshot!(behind("edge", "edge: {image: e, network_mode: 'service:holder'}\n  holder: {image: h, networks: [inner]}"), @r#"{"port":80,"service":"edge"}"#);
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

#[test]
fn a_typo_is_one_also_where_nothing_is_used() {
    let yaml = "services: {a: {image: i}}\nnetworks: {n: {internl: true}}\nvolumes: {v: {drver: x}}\nsecrets: {s: {fil: x}}\nconfigs: {c: {external: true}}";
    assert_snapshot!(Case::new(yaml).at(""), @r"
    compose.yaml:2:16: networks.n.internl: the key `internl` is not supported here
      hint: did you mean `internal`?
    compose.yaml:3:15: volumes.v.drver: the key `drver` is not supported here
      hint: did you mean `driver`?
    compose.yaml:4:11: secrets.s: it does not say where its content comes from
      hint: name a `file`, or let one be generated with `x-mainstay: {generate: 32}`
    compose.yaml:4:15: secrets.s.fil: the key `fil` is not supported here
      hint: did you mean `file`?
    ");
}

#[test]
fn options_of_a_mount_are_checked() {
    assert_snapshot!(complaints("volumes: [{type: bind, source: ./a, target: /a, bind: {create_host_paths: false, propagation: shred}}, {source: a, target: /b}, {type: tmpfs, target: /c, tmpfs: {mode: 9}, volume: {nocopy: true}}]"), @r"
    compose.yaml:4:60: services.a.volumes[0].bind.create_host_paths: the key `create_host_paths` is not supported here
      hint: did you mean `create_host_path`?
    compose.yaml:4:99: services.a.volumes[0].bind.propagation: `shred` is no propagation
      hint: did you mean `shared`?
    compose.yaml:4:108: services.a.volumes[1]: `type` is missing: `volume`, `bind` or `tmpfs`
    compose.yaml:4:173: services.a.volumes[2].tmpfs.mode: expected a mode in octal digits, found `9`
      hint: such as `0440`
    compose.yaml:4:177: services.a.volumes[2].volume: `volume` has options for another type of mount
    ");
    assert_snapshot!(complaints("volumes: [':/x', 'c:/x:/y', './a:/a:rx', '~me/x:/x', 'data/x:/x']\ntmpfs: [/a, run]"), @r"
    compose.yaml:4:15: services.a.volumes[0]: `:/x` has nothing on one side of a colon
      hint: is a variable in it not set?
    compose.yaml:4:22: services.a.volumes[1]: `c:/x:/y` has a Windows path
      hint: the engine's host is Linux; write a path of it
    compose.yaml:4:33: services.a.volumes[2]: the option `rx` is not known
      hint: `ro`, `rw`, `nocopy`, `z`, `Z` and propagations are
    compose.yaml:4:46: services.a.volumes[3]: `~me/x` begins in a folder that is not known
      hint: write the whole path
    compose.yaml:4:58: services.a.volumes[4]: the file does not define the volume `data/x`
      hint: add it under `volumes:` at the top level; a folder begins with `./`
    compose.yaml:5:13: services.a.tmpfs[0]: `/a` is mounted under `volumes` already
      hint: take one of the two away
    compose.yaml:5:17: services.a.tmpfs[1]: the path inside the container, `run`, is not absolute
      hint: such as `/var/lib/data`
    ");
}

#[test]
fn ports_that_are_none() {
    assert_snapshot!(complaints("ports: ['', '127.0.0.1:80', '[::1]:80', 'localhost:80:80', '80-82:80', '80/sctp', '80:+1', {target: 80, protocol: icmp}, {target: 80, host_ip: x}, {published: 80}]"), @r"
    compose.yaml:4:13: services.a.ports[0]: `` is no port from 1 to 65535, and no range of at most 1000
      hint: is a variable in it not set?
    compose.yaml:4:17: services.a.ports[1]: `127.0.0.1:80` has an address, and no port on it
      hint: write `127.0.0.1:8080:80`, or `127.0.0.1::80` to let the engine choose
    compose.yaml:4:33: services.a.ports[2]: `[::1]:80` has an address, and no port on it
      hint: write `[::1]:8080:80`, or `[::1]::80` to let the engine choose
    compose.yaml:4:45: services.a.ports[3]: `localhost` is no address
      hint: names are not looked up; write the address, such as `127.0.0.1`
    compose.yaml:4:64: services.a.ports[4]: `80-82` and `80` are not of one length
      hint: each port of the container takes one of the host; without one of the host, the engine chooses
    compose.yaml:4:76: services.a.ports[5]: the protocol `sctp` is neither `tcp` nor `udp`
      hint: such as `8080:80`, `127.0.0.1:5432:5432` or `53:53/udp`
    compose.yaml:4:87: services.a.ports[6]: `+1` is no port from 1 to 65535, and no range of at most 1000
      hint: such as `8080:80`, `127.0.0.1:5432:5432` or `53:53/udp`
    compose.yaml:4:96: services.a.ports[7]: the protocol `icmp` is neither `tcp` nor `udp`
      hint: such as `8080:80`, `127.0.0.1:5432:5432` or `53:53/udp`
    compose.yaml:4:126: services.a.ports[8]: `x` is no address
      hint: names are not looked up; write the address, such as `127.0.0.1`
    compose.yaml:4:152: services.a.ports[9]: `target` is missing: the port of the container
      hint: such as `8080:80`, `127.0.0.1:5432:5432` or `53:53/udp`
    ");
}

#[test]
fn a_command_that_needs_a_shell() {
    assert_snapshot!(complaints("command: migrate && serve\nentrypoint: sh -c 'x"), @r"
    compose.yaml:4:14: services.a.command: `&` outside quotes is for a shell, and none runs this
      hint: a list is taken as it is; for a shell write `[sh, -c, '...']`
    compose.yaml:5:17: services.a.entrypoint: the quote `'` is not closed
      hint: a list is taken as it is; for a shell write `[sh, -c, '...']`
    ");
}

#[test]
fn what_does_not_go_together() {
    assert_snapshot!(complaints("mem_limit: 1g\ncpus: 1\ndeploy: {resources: {limits: {memory: 512m, cpus: '1'}}}"), @r"
    compose.yaml:4:16: services.a.mem_limit: it contradicts `deploy.resources.limits.memory`
      hint: take it away
    ");
    assert_snapshot!(complaints("network_mode: none\nports: ['80:80']"), @r"
    compose.yaml:5:5: services.a.ports: `ports` does not go with `network_mode: none`
      hint: take one of the two away
    ");
    assert_snapshot!(complaints("network_mode: hots\npid: hots\nipc: 'container:x'"), @r"
    compose.yaml:4:19: services.a.network_mode: `hots` is no mode
      hint: `none`, `host`, `bridge` and `service:NAME` are; a network goes under `networks`
    compose.yaml:5:10: services.a.pid: `hots` is no mode
      hint: `host` and `service:NAME` are
    compose.yaml:6:10: services.a.ipc: `container:x` is no mode
      hint: `host`, `none`, `private`, `shareable` and `service:NAME` are
    ");
    assert_snapshot!(complaints("volumes: ['/x:/t']\ntmpfs: /t/"), @r"
    compose.yaml:5:12: services.a.tmpfs: `/t` is mounted under `volumes` already
      hint: take one of the two away
    ");
    let yaml = "services: {a: {image: i, container_name: x}, b: {image: i, container_name: x, scale: 2, networks: {n: {ipv4_address: 10.0.0.5}, e: {ipv4_address: 10.0.0}}}}\nnetworks: {n: {}, e: {external: true, driver: bridge}}";
    assert_snapshot!(Case::new(yaml).at(""), @r"
    compose.yaml:1:46: services.b: `container_name` forbids more than one replica
      hint: take one of the two away
    compose.yaml:1:46: services.b: `ipv4_address` forbids more than one replica
      hint: take one of the two away
    compose.yaml:1:76: services.b.container_name: the container of `a` has the name `x` already
      hint: take one of the two away
    compose.yaml:1:103: services.b.networks.n: `10.0.0.5` needs a network with a range of its own
      hint: add `ipam: {config: [{subnet: ...}]}` to the network `n`
    compose.yaml:1:147: services.b.networks.e.ipv4_address: `10.0.0` is no IPv4 address
      hint: such as `10.1.0.5`
    compose.yaml:2:39: networks.e.driver: `driver` does not go with `external`: it is made elsewhere
      hint: take it away
    ");
    let yaml =
        "services: {a: {image: i, secrets: [s, t]}}\nsecrets: {s: {file: x, environment: X}, t: {external: true}}";
    assert_snapshot!(Case::new(yaml).at(""), @r"
    compose.yaml:2:11: secrets.s: `file` and `environment` exclude each other
      hint: take all but one away
    compose.yaml:2:41: secrets.t: `external` secrets and configs exist only in a Swarm
      hint: name a `file`, or let one be generated with `x-mainstay: {generate: 32}`
    ");
}

#[test]
fn values_of_the_wrong_kind() {
    assert_snapshot!(complaints("environment: [A: 1, =x]\nhealthcheck: {test: [], retries: many, interval: 10us}\nread_only: maybe\ncpus: inf\ndevices: [sda]\nextra_hosts: [x]\nulimits: {nofile: {}}\npull_policy: daily"), @r"
    compose.yaml:4:19: services.a.environment[0]: expected `NAME=value`, found a mapping
      hint: write `NAME=value`, or take the `-` away
    compose.yaml:4:25: services.a.environment[1]: there is a value without a name
      hint: write `NAME=value`
    compose.yaml:5:38: services.a.healthcheck.retries: expected a whole number in range, found `many`
      hint: such as `3`
    compose.yaml:5:54: services.a.healthcheck.interval: it is shorter than a millisecond, the shortest that the engine knows
    compose.yaml:6:16: services.a.read_only: expected true or false, found `maybe`
    compose.yaml:7:11: services.a.cpus: expected a number of cores, found `inf`
      hint: such as `0.5`
    compose.yaml:8:15: services.a.devices[0]: it is no device
      hint: such as `/dev/ttyUSB0` or `/dev/sda:/dev/disk:r`
    compose.yaml:9:19: services.a.extra_hosts[0]: `x` with `` is no host with its address
      hint: such as `db.local=10.1.0.5`
    compose.yaml:10:23: services.a.ulimits.nofile: a limit has a `soft` and a `hard` value
      hint: such as `{soft: 1024, hard: 4096}`
    compose.yaml:11:18: services.a.pull_policy: `daily` is no pull policy
      hint: there is `always`, `never`, `missing`, `if_not_present`, `build`
    ");
    assert_snapshot!(complaints("user: [x]\nports: {a: b}\nlabels: [[x]]\nnetworks: a"), @r"
    compose.yaml:4:11: services.a.user: expected a text, found a list
    compose.yaml:5:12: services.a.ports: expected a list, found a mapping
    compose.yaml:6:14: services.a.labels[0]: expected a text, found a list
    compose.yaml:7:15: services.a.networks: expected a mapping, found `a`
    ");
}

#[test]
fn variables_that_cannot_be_read() {
    assert_snapshot!(complaints("hostname: ${A\nuser: ${1}"), @r"
    compose.yaml:4:15: services.a.hostname: `${A` has no closing brace
      hint: a dollar sign is written `$$`
    compose.yaml:5:11: services.a.user: `${1}` has no name
      hint: a dollar sign is written `$$`
    ");
}

#[test]
fn a_mistake_made_often_is_shown_a_hundred_times() {
    let many: String = (0..500).map(|number| format!("k{number}: 1\n")).collect();
    assert_eq!(complaints(&many).lines().count(), 100);
}
