//! Files as people write them.

use crate::support::Case;

fn accepted(case: &Case, services: &[&str]) {
    let loaded = case.load().unwrap_or_else(|complaints| panic!("{complaints}"));
    assert_eq!(loaded.stack.services.keys().collect::<Vec<_>>(), services);
}

#[test]
fn a_blog() {
    let yaml = r#"
version: "3.8"
services:
  db:
    image: mariadb:10.6
    command: '--default-authentication-plugin=mysql_native_password'
    volumes:
      - db_data:/var/lib/mysql
    restart: always
    environment:
      - MYSQL_ROOT_PASSWORD=somewordpress
      - MYSQL_DATABASE=wordpress
    expose:
      - 3306
      - 33060
  wordpress:
    image: wordpress:latest
    volumes:
      - wp_data:/var/www/html
    ports:
      - 80:80
    restart: always
    environment:
      - WORDPRESS_DB_HOST=db
    depends_on:
      - db
volumes:
  db_data:
  wp_data:
"#;
    accepted(&Case::new(yaml), &["db", "wordpress"]);
}

#[test]
fn photographs_with_anchors_and_an_env_file() {
    let yaml = r#"
name: photos
x-log: &log
  logging: {driver: json-file, options: {max-size: "10m", max-file: "3"}}
services:
  server:
    <<: *log
    container_name: photos_server
    image: ghcr.io/photos/server:${PHOTOS_VERSION:-release}
    volumes:
      - ${UPLOAD_LOCATION}:/usr/src/app/upload
      - /etc/localtime:/etc/localtime:ro
    env_file:
      - .env
    ports:
      - '2283:2283'
    depends_on:
      - redis
      - database
    restart: always
    healthcheck:
      disable: false
  redis:
    <<: *log
    image: docker.io/valkey/valkey:8-bookworm@sha256:ff21bc0f8194dc9c105b769aeabf9585fea6a8ed649c0781caeac5cb3c247884
    healthcheck:
      test: redis-cli ping || exit 1
    restart: always
  database:
    <<: *log
    image: docker.io/photos/postgres:14-vectorchord0.4.3
    environment:
      POSTGRES_PASSWORD: ${DB_PASSWORD}
      POSTGRES_INITDB_ARGS: '--data-checksums'
    volumes:
      - ${DB_DATA_LOCATION}:/var/lib/postgresql/data
    shm_size: 128mb
    restart: always
volumes:
  model-cache:
"#;
    let case = Case::new(yaml)
        .var("UPLOAD_LOCATION", "./library")
        .var("DB_DATA_LOCATION", "./postgres")
        .var("DB_PASSWORD", "postgres")
        .file(".env", "UPLOAD_LOCATION=./library\nTZ=Etc/UTC\n");
    accepted(&case, &["server", "redis", "database"]);
}

#[test]
fn analytics_with_long_forms() {
    let yaml = r#"
services:
  web:
    image: analytics/web:3
    init: true
    depends_on:
      clickhouse: {condition: service_healthy, restart: true}
      setup: {condition: service_completed_successfully}
    ports:
      - {target: 3000, published: "3000", host_ip: 127.0.0.1, protocol: tcp, mode: host}
    deploy:
      replicas: 2
      update_config: {order: start-first, parallelism: 1, failure_action: rollback, monitor: 10s}
      resources: {limits: {cpus: "0.50", memory: 512M}, reservations: {memory: 128M}}
    extra_hosts: ["host.docker.internal:host-gateway"]
    secrets: [{source: key, target: signing.key, uid: "1000", mode: 0400}]
    configs: [{source: app, target: /etc/app.toml}]
    sysctls: {net.core.somaxconn: 1024}
    security_opt: ["no-new-privileges:true"]
    cap_drop: [ALL]
  setup:
    image: analytics/web:3
    command: ["./migrate"]
    depends_on: {clickhouse: {condition: service_healthy}}
  clickhouse:
    image: clickhouse/server:24
    ulimits: {nofile: {soft: 262144, hard: 262144}}
    volumes:
      - {type: volume, source: events, target: /var/lib/clickhouse}
      - {type: bind, source: ./logs.xml, target: /etc/logs.xml, read_only: true, bind: {create_host_path: false}}
    healthcheck: {test: ["CMD-SHELL", "wget -q -O- 127.0.0.1:8123/ping || exit 1"], start_period: 1m, start_interval: 1s}
    stop_grace_period: 1m30s
    networks: {back: {aliases: [events], ipv4_address: 10.20.0.5}, default: }
networks:
  back: {internal: true, ipam: {config: [{subnet: 10.20.0.0/24}]}}
volumes: {events: {driver_opts: {type: none, device: /srv/events, o: bind}}}
secrets: {key: {environment: SIGNING_KEY}}
configs: {app: {content: "level = 1"}}
"#;
    accepted(&Case::new(yaml), &["web", "setup", "clickhouse"]);
}

#[test]
fn a_forge_behind_a_proxy() {
    let yaml = r#"
networks:
  proxy:
    external: true
  internal:
    internal: true
services:
  forge:
    image: "codeberg.org/forge/forge:${FORGE_TAG:-11}"
    restart: unless-stopped
    environment:
      - USER_UID=1000
      - FORGE__database__HOST=${DB_HOST:-db}:5432
      - FORGE__database__PASSWD=${DB_PASSWORD:?set the password}
    networks: [proxy, internal]
    volumes:
      - ./forge:/data:Z
      - /etc/timezone:/etc/timezone:ro
    labels:
      - "traefik.enable=true"
      - "traefik.http.routers.forge.rule=Host(`git.example.org`)"
    ports: ["222:22"]
    depends_on:
      db:
        condition: service_healthy
        required: false
  db:
    image: docker.io/library/postgres:17
    restart: unless-stopped
    user: "999:999"
    command: [
      "postgres",
      "-c", "shared_buffers=256MB",
    ]
    environment: {POSTGRES_PASSWORD: "${DB_PASSWORD}", POSTGRES_DB: forge}
    networks: [internal]
    volumes: ["./postgres:/var/lib/postgresql/data:rw,z"]
    healthcheck:
      test: ["CMD-SHELL", "pg_isready -U $$POSTGRES_USER -d $${POSTGRES_DB}"]
      interval: 10s
      retries: 5
      start_period: 30s
    shm_size: 128mb
    ulimits: {nofile: {soft: 65536, hard: 65536}}
    stop_grace_period: 1m
"#;
    accepted(&Case::new(yaml).var("DB_PASSWORD", "secret"), &["forge", "db"]);
}

#[test]
fn a_swarm_file_on_one_machine() {
    let yaml = r#"
version: "3.7"
services:
  backend:
    image: erp/worker:v15
    deploy:
      restart_policy:
        condition: on-failure
    volumes: [sites:/home/sites]
  configurator:
    image: erp/worker:v15
    deploy:
      restart_policy:
        condition: none
    entrypoint:
      - bash
      - -c
    command:
      - >
        ls -1 apps > sites/apps.txt;
        bench set-config -g db_host $$DB_HOST;
    environment: {DB_HOST: db, DB_PORT: "3306"}
    volumes: [sites:/home/sites]
  queue:
    image: erp/worker:v15
    deploy: {mode: replicated, replicas: 2, placement: {constraints: [node.role == worker]}}
    command: bench worker --queue long,default,short
    volumes: [sites:/home/sites]
volumes:
  sites:
"#;
    let case = Case::new(yaml);
    accepted(&case, &["backend", "configurator", "queue"]);
    let warnings: Vec<String> = case.load().unwrap().warnings.into_iter().map(|warning| warning.key).collect();
    assert_eq!(warnings, ["version", "services.queue.deploy.placement"]);
}
