//! What is easy to get wrong (`research`: counted in 905 files of the wild).

use insta::assert_snapshot;

use crate::support::{Case, service};

#[test]
fn commands_are_cut_as_in_a_shell_or_taken_as_they_are() {
    assert_snapshot!(service("command: sh -c 'echo \"a b\"'", "/command"), @r#"["sh","-c","echo \"a b\""]"#);
    assert_snapshot!(service("command: [sh, -c, 'a b']", "/command"), @r#"["sh","-c","a b"]"#);
    assert_snapshot!(service("entrypoint: []", "/entrypoint"), @"[]");
    assert_snapshot!(service("command: null", "/command"), @"(not set)");
}

#[test]
fn environment_keeps_what_is_written() {
    assert_snapshot!(service("environment: {A: TRUE, B: 16.80, C: 08, D: '', E: \"x\"}", "/environment"), @r#"{"A":"TRUE","B":"16.80","C":"08","D":"","E":"x"}"#);
    assert_snapshot!(service("environment: [A=1=2, B=]", "/environment"), @r#"{"A":"1=2","B":""}"#);
}

#[test]
fn a_name_without_a_value_takes_the_persons_or_goes() {
    let yaml = "services: {a: {image: i, environment: [HOME, GONE]}}";
    assert_snapshot!(Case::new(yaml).var("HOME", "/root").at("/services/a/environment"), @r#"{"GONE":null,"HOME":"/root"}"#);
}

#[test]
fn later_files_and_the_environment_win() {
    let case = Case::new("services: {a: {image: i, env_file: [one.env, {path: two.env, required: false}, {path: no.env, required: false}], environment: {C: mine}}}")
        .file("one.env", "A=1\nB=1\nC=1\n")
        .file("two.env", "B=2 # two\nD='$A'\n");
    assert_snapshot!(case.at("/services/a/environment"), @r#"{"A":"1","B":"2","C":"mine","D":"$A"}"#);
    assert_snapshot!(Case::new("services: {a: {image: i, env_file: no.env}}").at(""), @"
    compose.yaml:1:36: services.a.env_file: the file `/srv/shop/no.env` is missing
      hint: make it, or say `{path: ..., required: false}`
    ");
}

#[test]
fn ports_in_every_form() {
    let ports = |text: &str| service(&format!("ports: [{text}]"), "/ports");
    assert_snapshot!(ports("\"8080:80\""), @r#"[{"protocol":"tcp","published":8080,"target":80}]"#);
    assert_snapshot!(ports("22:22"), @r#"[{"protocol":"tcp","published":22,"target":22}]"#);
    assert_snapshot!(ports("80"), @r#"[{"protocol":"tcp","target":80}]"#);
    assert_snapshot!(ports("'127.0.0.1:53:53/udp'"), @r#"[{"host_ip":"127.0.0.1","protocol":"udp","published":53,"target":53}]"#);
    assert_snapshot!(ports("'127.0.0.1::80'"), @r#"[{"host_ip":"127.0.0.1","protocol":"tcp","target":80}]"#);
    assert_snapshot!(ports("'[::1]:80:80'"), @r#"[{"host_ip":"::1","protocol":"tcp","published":80,"target":80}]"#);
    assert_snapshot!(ports("'8000-8001:80-81'"), @r#"[{"protocol":"tcp","published":8000,"target":80},{"protocol":"tcp","published":8001,"target":81}]"#);
    assert_snapshot!(ports("{target: 80, published: '8080', host_ip: 127.0.0.1}"), @r#"[{"host_ip":"127.0.0.1","protocol":"tcp","published":8080,"target":80}]"#);
}

#[test]
fn a_port_is_split_after_variables_are_filled_in() {
    let yaml = "services: {a: {image: i, ports: ['${PORT-:2283:2283}']}}";
    assert_snapshot!(Case::new(yaml).var("PORT", "9:9").at("/services/a/ports"), @r#"[{"protocol":"tcp","published":9,"target":9}]"#);
}

#[test]
fn mounts_in_every_form() {
    let mounts = |text: &str| {
        Case::new(&format!("services: {{a: {{image: i, volumes: [{text}]}}}}\nvolumes: {{data: }}"))
            .var("HOME", "/home/me")
            .at("/services/a/mounts")
    };
    assert_snapshot!(mounts("'data:/data:ro'"), @r#"[{"nocopy":false,"read_only":true,"source":"data","target":"/data","type":"volume"}]"#);
    assert_snapshot!(mounts("/data"), @r#"[{"nocopy":false,"read_only":false,"target":"/data","type":"volume"}]"#);
    assert_snapshot!(mounts("'./x/../y:/y:z'"), @r#"[{"create_host_path":true,"read_only":false,"selinux":"z","source":"/srv/shop/y","target":"/y","type":"bind"}]"#);
    assert_snapshot!(mounts("'~/x:/x'"), @r#"[{"create_host_path":true,"read_only":false,"source":"/home/me/x","target":"/x","type":"bind"}]"#);
    assert_snapshot!(mounts("{type: tmpfs, target: /t, tmpfs: {size: 1m, mode: 0700}}"), @r#"[{"mode":448,"size_bytes":1048576,"target":"/t","type":"tmpfs"}]"#);
    assert_snapshot!(mounts("'data:/data', './new:/data'"), @r#"[{"create_host_path":true,"read_only":false,"source":"/srv/shop/new","target":"/data","type":"bind"}]"#);
}

#[test]
fn restart_no_is_a_word_and_deploy_goes_before_it() {
    assert_snapshot!(service("restart: no", "/restart"), @r#""no""#);
    assert_snapshot!(service("restart: on-failure:3", "/restart"), @r#"{"on-failure":{"max_retries":3}}"#);
    assert_snapshot!(service("restart: always\ndeploy: {restart_policy: {condition: on-failure, max_attempts: 2}}", "/restart"), @r#"{"on-failure":{"max_retries":2}}"#);
}

#[test]
fn limits_in_the_newer_and_the_older_spelling() {
    assert_snapshot!(service("mem_limit: 512m\ncpus: 0.5\ndeploy: {resources: {limits: {memory: 0.5g}}}", "/resources"), @r#"{"memory_bytes":536870912,"nano_cpus":500000000}"#);
    assert_snapshot!(service("ulimits: {nofile: {soft: 1, hard: 2}, nproc: 3}\nmemswap_limit: -1\npids_limit: 9", "/resources"), @r#"{"memory_swap_bytes":-1,"pids":9,"ulimits":{"nofile":[1,2],"nproc":[3,3]}}"#);
}

#[test]
fn health_checks() {
    assert_snapshot!(service("healthcheck: {test: 'curl -f x', interval: 1m30s}", "/healthcheck"), @r#"{"interval_ms":90000,"test":["CMD-SHELL","curl -f x"]}"#);
    assert_snapshot!(service("healthcheck: {disable: true}", "/healthcheck"), @r#"{"test":["NONE"]}"#);
    assert_snapshot!(service("healthcheck: {start_period: 5s}", "/healthcheck"), @r#"{"start_period_ms":5000}"#);
}

#[test]
fn secrets_are_for_their_reader_alone() {
    let secrets = |user: &str| {
        Case::new(&format!("services: {{a: {{image: i, {user} secrets: [s, {{source: s, target: deep/t, mode: 0440}}]}}}}\nsecrets: {{s: {{file: ./s.txt}}}}")).at("/services/a/secrets")
    };
    assert_snapshot!(secrets("user: '999:998',"), @r#"[{"gid":998,"mode":256,"source":"s","target":"/run/secrets/s","uid":999},{"gid":998,"mode":288,"source":"s","target":"/run/secrets/deep/t","uid":999}]"#);
    assert_snapshot!(secrets("user: app,"), @r#"[{"gid":0,"mode":292,"source":"s","target":"/run/secrets/s","uid":0},{"gid":0,"mode":288,"source":"s","target":"/run/secrets/deep/t","uid":0}]"#);
}

#[test]
fn a_generated_secret_goes_before_its_file() {
    let yaml = "services: {a: {image: i, secrets: [s]}}\nsecrets: {s: {file: x, x-mainstay: {generate: 32}}}";
    assert_snapshot!(Case::new(yaml).at("/secrets/s/origin"), @r#"{"generated":{"bytes":32}}"#);
}

#[test]
fn anchors_and_merges_at_any_depth() {
    let yaml = "
x-base: &base {image: i, environment: &env {A: 1}}
x-health: &health {test: [CMD, x], interval: 5s}
services:
  a:
    <<: *base
    environment: {<<: *env, B: 2}
    healthcheck: {<<: *health, interval: 9s}
";
    assert_snapshot!(Case::new(yaml).at("/services/a/environment"), @r#"{"A":"1","B":"2"}"#);
    assert_snapshot!(Case::new(yaml).at("/services/a/healthcheck"), @r#"{"interval_ms":9000,"test":["CMD","x"]}"#);
}

#[test]
fn networks_and_volumes_are_named_as_docker_compose_names_them() {
    let yaml = "name: p\nservices: {a: {image: i, volumes: [d:/d, e:/e, f:/f]}, b: {image: i, networks: {n: {aliases: [x]}}}}\nnetworks: {n: {internal: true}, unused: {}}\nvolumes: {d: {}, e: {name: E}, f: {external: true}, unused: {}}";
    assert_snapshot!(Case::new(yaml).at("/volumes"), @r#"{"d":{"driver":"local","driver_opts":{},"external":false,"labels":{},"name":"p_d"},"e":{"driver":"local","driver_opts":{},"external":false,"labels":{},"name":"E"},"f":{"driver":"local","driver_opts":{},"external":true,"labels":{},"name":"f"}}"#);
    assert_snapshot!(Case::new(yaml).at("/networks/default/name"), @r#""p_default""#);
    assert_snapshot!(Case::new(yaml).at("/networks/n/internal"), @"true");
    assert_snapshot!(Case::new(yaml).at("/networks/unused"), @"(not set)");
    assert_snapshot!(Case::new("services: {a: {image: i}}").at("/project"), @r#""shop""#);
}

#[test]
fn profiles_choose_and_optional_dependencies_may_be_off() {
    let yaml = "services: {a: {image: i, depends_on: {b: {condition: service_started, required: false}}}, b: {image: i, profiles: [debug]}}";
    assert_snapshot!(Case::new(yaml).at("/inactive"), @r#"["b"]"#);
    assert_snapshot!(Case::new(yaml).profile("debug").at("/inactive"), @"[]");
    assert_snapshot!(Case::new(&yaml.replace("required: false", "required: true")).at(""), @r"
    compose.yaml:1:39: services.a.depends_on.b: it depends on `b`, whose profile is not active
      hint: activate it with `--profile`, or say `required: false`
    ");
}

#[test]
fn links_and_shared_namespaces_are_dependencies() {
    let yaml = "services: {a: {image: i, links: [b], network_mode: 'service:c'}, b: {image: i}, c: {image: i}}";
    assert_snapshot!(Case::new(yaml).at("/services/a/depends_on"), @r#"{"b":{"condition":"service_started","required":true,"restart":true},"c":{"condition":"service_started","required":true,"restart":true}}"#);
    assert_snapshot!(Case::new(yaml).at("/services/a/networks"), @"(not set)");
}

#[test]
fn a_build_without_an_image_is_named_after_its_service() {
    let yaml = "services: {a: {build: ./src}, b: {image: own/b, build: {context: ., dockerfile: D, args: [X=1, Y], x-mainstay: {cargo: todomvc}}}}";
    assert_snapshot!(Case::new(yaml).at("/services/a/image"), @r#""shop-a""#);
    assert_snapshot!(Case::new(yaml).var("Y", "2").at("/services/b/build"), @r#"{"args":{"X":"1","Y":"2"},"bases":[],"cargo":"todomvc","context":"/srv/shop","digest":"","dockerfile":"D","labels":{}}"#);
}

#[test]
fn variables_that_are_not_set_warn() {
    assert_snapshot!(service("hostname: x$GONE", "/hostname"), @r#"
    "x"
    warning: compose.yaml:4:15: services.a.hostname: the variable `GONE` is not set, and is taken as empty
      hint: set it in `.env`, or give a default: `${GONE:-value}`; `$$` is a dollar sign
    "#);
}

#[test]
fn what_only_a_swarm_knows_warns() {
    assert_snapshot!(service("deploy: {placement: {constraints: [x]}}", "/replicas"), @r"
    1
    warning: compose.yaml:4:14: services.a.deploy.placement: `placement` is passed over: it means something only in a Swarm
    ");
}

#[test]
fn an_env_file_names_others_and_earlier_ones() {
    let case = Case::new("services: {a: {image: i, env_file: [one.env, two.env, {path: raw.env, format: raw}], environment: {OWN: mine}}}")
        .var("HOME", "/root")
        .file("one.env", "A=1\nB=${OWN}-${HOME}\n")
        .file("two.env", "C=\"${A}${B}\"\nHOME\n")
        .file("raw.env", "D='$A' # x\n");
    assert_snapshot!(case.at("/services/a/environment"), @r#"{"A":"1","B":"mine-/root","C":"1mine-/root","D":"'$A' # x","HOME":"/root","OWN":"mine"}"#);
    let off = Case::new("services: {a: {image: i}, b: {image: i, profiles: [p], env_file: none.env}}");
    assert_snapshot!(off.at("/inactive"), @r#"["b"]"#);
}

#[test]
fn what_a_variable_makes_is_a_text() {
    let yaml = "services:\n  a:\n    image: i\n    user: ${NO-}\n    command: [$NULL, '$NO', x]\n    hostname: ${NULL}\n    environment:\n      A: ${NULL}\n      B: ${NO-}\n";
    assert_snapshot!(Case::new(yaml).var("NULL", "null").var("NO", "").at("/services/a/command"), @r#"["null","","x"]"#);
    assert_snapshot!(Case::new(yaml).var("NULL", "null").var("NO", "").at("/services/a/environment"), @r#"{"A":"null","B":""}"#);
    assert_snapshot!(Case::new(yaml).var("NULL", "null").var("NO", "").at("/services/a/user"), @"(not set)");
}

#[test]
fn an_empty_list_of_networks_is_the_default_one() {
    assert_snapshot!(service("networks: []", "/networks"), @r#"{"default":{}}"#);
    assert_snapshot!(service("networks: {}", "/networks"), @r#"{"default":{}}"#);
    assert_snapshot!(service("network_mode: bridge", "/network_mode"), @r#""bridge""#);
    assert_snapshot!(service("network_mode: bridge", "/networks"), @"(not set)");
}

#[test]
fn networks_are_joined_by_priority_and_else_in_order() {
    let yaml = "services: {a: {image: i, networks: {n: , o: , m: {priority: 9}}}}\nnetworks: {n: , m: , o: }";
    let stack = Case::new(yaml).load().unwrap().stack;
    assert_eq!(stack.services["a"].run.networks.keys().collect::<Vec<_>>(), ["m", "n", "o"]);
}

#[test]
fn a_link_under_another_name_is_an_alias() {
    let yaml = "services: {a: {image: i, links: ['b:db', 'b:store']}, b: {image: i}}";
    assert_snapshot!(Case::new(yaml).at("/services/b/networks"), @r#"{"default":{"aliases":["db","store"]}}"#);
    assert_snapshot!(Case::new(yaml).at("/services/a/depends_on"), @r#"{"b":{"condition":"service_started","required":true,"restart":true}}"#);
}

#[test]
fn paths_start_from_the_projects_folder() {
    let yaml = "services: {a: {build: ., volumes: ['v:/v'], configs: [c]}}\nvolumes: {v: {driver: local, driver_opts: {type: none, o: bind, device: ./data}}}\nconfigs: {c: {file: ~/c}}";
    let case = Case::new(yaml).var("HOME", "/home/me");
    assert_snapshot!(case.at("/services/a/build/context"), @r#""/srv/shop""#);
    assert_snapshot!(case.at("/volumes/v/driver_opts/device"), @r#""/srv/shop/data""#);
    assert_snapshot!(case.at("/configs/c/origin"), @r#"{"file":"/home/me/c"}"#);
}

#[test]
fn devices_and_hosts_in_every_form() {
    assert_snapshot!(service("devices: [/dev/a, '/dev/a:/dev/b', {source: /dev/a, permissions: r}]", "/security/devices"), @r#"["/dev/a:/dev/a:rwm","/dev/a:/dev/b:rwm","/dev/a:/dev/a:r"]"#);
    assert_snapshot!(service("extra_hosts: ['a:10.0.0.1', 'b=[::1]', 'c=10.0.0.1,host-gateway']", "/extra_hosts"), @r#"["a:10.0.0.1","b:::1","c:10.0.0.1","c:host-gateway"]"#);
    assert_snapshot!(service("extra_hosts: {a: [10.0.0.1, 10.0.0.2]}", "/extra_hosts"), @r#"["a:10.0.0.1","a:10.0.0.2"]"#);
    assert_snapshot!(service("tmpfs: /run:size=1m", "/mounts"), @r#"[{"options":"size=1m","target":"/run","type":"tmpfs"}]"#);
    assert_snapshot!(service("expose: [80, 81-82/udp]", "/expose"), @r#"["80/tcp","81/udp","82/udp"]"#);
}

#[test]
fn restart_policies_of_deploy() {
    let policy = |text: &str| service(&format!("deploy: {{restart_policy: {text}}}"), "/restart");
    assert_snapshot!(policy("{}"), @r#""always""#);
    assert_snapshot!(policy("{condition: none}"), @r#""no""#);
    assert_snapshot!(policy("{condition: unless-stopped}"), @r#""unless-stopped""#);
    assert_snapshot!(policy("{condition: any, max_attempts: 3, delay: 5s}"), @r#"
    "always"
    warning: compose.yaml:4:47: services.a.deploy.restart_policy.max_attempts: `max_attempts` counts only with `condition: on-failure`
    warning: compose.yaml:4:64: services.a.deploy.restart_policy.delay: `delay` is passed over: it means something only in a Swarm
    "#);
    assert_snapshot!(service("deploy: {mode: global}", "/replicas"), @r"
    1
    warning: compose.yaml:4:14: services.a.deploy.mode: `mode: global` is one replica on one machine
      hint: leave it out, or set `replicas`
    ");
    assert_snapshot!(service("deploy: {update_config: {order: start-first, parallelism: 0, monitor: 9s, failure_action: rollback}}", "/update"), @r#"
    {"monitor_ms":9000,"order":"start-first","parallelism":0}
    warning: compose.yaml:4:5: services.a.deploy: `monitor` and `max_failure_ratio` are passed over: no edge counts its requests
      hint: put it behind one: `x-mainstay: {edge: SERVICE, port: PORT}`
    "#);
}

#[test]
fn root_is_no_known_reader() {
    let yaml = "services: {a: {image: i, user: '0:0', secrets: [s], configs: [{source: c, target: etc/c}]}}\nsecrets: {s: {environment: S}}\nconfigs: {c: {content: 'a $$ b'}}";
    assert_snapshot!(Case::new(yaml).at("/services/a/secrets"), @r#"[{"gid":0,"mode":292,"source":"s","target":"/run/secrets/s","uid":0}]"#);
    assert_snapshot!(Case::new(yaml).at("/services/a/configs"), @r#"[{"gid":0,"mode":292,"source":"c","target":"/etc/c","uid":0}]"#);
    assert_snapshot!(Case::new(yaml).at("/configs/c/origin"), @r#"{"content":"a $ b"}"#);
}

#[test]
fn booleans_of_yaml_1_1_warn() {
    assert_snapshot!(service("read_only: yes", "/security/read_only"), @r"
    true
    warning: compose.yaml:4:5: services.a.read_only: `yes` is a text in YAML 1.2
      hint: write `true`
    ");
}
