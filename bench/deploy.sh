#!/bin/sh
# A deploy under traffic: the application replaced because a variable changed, by mainstay (two replicas behind the edge)
# and by Docker Compose v2 (one container on the port itself), in turns. Seconds of the command, and what clients noticed at 200 requests a second, a
# quarter of them writes.
#
#     bench/deploy.sh [ROUNDS [RATE]]      (needs an engine, the images of `./mainstay build`, cargo)
set -eu
cd "$(dirname "$0")/.."
rounds=${1:-5}
rate=${2:-200}
port=18280
export MAINSTAY_BIND=127.0.0.1 MAINSTAY_PORT=$port MAINSTAY_TLS_PORT=18283
out=$(mktemp -d)
triple=$(rustc -vV | sed -n 's/^host: *//p')
mainstay=target/$triple/release/mainstay
cargo build --quiet --release -p testkit --features scenarios --bin traffic
traffic=target/release/traffic

# Debian 13 has Compose v2; its binary runs alone, so it is taken out of a container of ours.
compose=$out/docker-compose
DOCKER_BUILDKIT=0 docker build -q -t mainstay/bench-compose - >/dev/null 2>&1 <<'DOCKERFILE'
FROM debian:trixie-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends docker-compose >/dev/null
DOCKERFILE
id=$(docker create mainstay/bench-compose true)
docker cp "$id:/usr/libexec/docker/cli-plugins/docker-compose" "$compose" >/dev/null
docker rm "$id" >/dev/null
mkdir -p .mainstay
[ -f .mainstay/db_password ] || head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >.mainstay/db_password
chmod 644 .mainstay/db_password

# What Compose has to be told beside the file: the application on the port itself, as without an edge of ours.
cat >"$out/direct.yaml" <<CONF
services:
  direct:
    image: mainstay/todomvc
    command: [serve]
    user: "65532:65532"
    environment:
      DATABASE_URL: postgres://todomvc@db:5432/todomvc
      DATABASE_PASSWORD_FILE: /run/secrets/db_password
      LOG_LEVEL: \${LOG_LEVEL:-info}
    secrets: [db_password]
    networks: [front, data]
    ports: ["127.0.0.1:18281:8080"]
    healthcheck: {test: [CMD, /todomvc, healthcheck], interval: 1s, timeout: 3s}
    depends_on: {db: {condition: service_healthy}}
CONF

ours() { "$mainstay" -f compose.yaml -p bench-ours "$@"; }
direct() { "$compose" -f compose.yaml -f "$out/direct.yaml" -p bench-direct "$@"; }
clean() {
    ours down --volumes --yes >/dev/null 2>&1 || true
    direct down --volumes >/dev/null 2>&1 || true
    rm -rf "$out"
}
trap clean EXIT

# under_traffic NAME PORT COMMAND...: the command's milliseconds, then what clients noticed.
under_traffic() {
    name=$1 at=$2
    shift 2
    "$traffic" "127.0.0.1:$at" --preset todos --rate "$rate" --seconds 18 --json >"$out/report" 2>&1 &
    pid=$!
    sleep 2
    begun=$(date +%s%N)
    "$@" >"$out/log" 2>&1 || { cat "$out/log" >&2; exit 1; }
    took=$((($(date +%s%N) - begun) / 1000000))
    wait "$pid" || true
    printf '%s %s\n' "$took" "$(tr -d ' \n' <"$out/report" | sed 's/.*"sent":\([0-9]*\).*"failed":\([0-9]*\).*"requests_p99_ms":\([0-9.]*\).*"slowest":{"ms":\([0-9.]*\).*"longest_gap_ms":\([0-9.]*\).*/\1 \2 \3 \4 \5/')" >>"$out/$name"
    echo "$name: $(tail -n 1 "$out/$name")" >&2
}

level=warn
change() {
    [ $level = warn ] && level=error || level=warn
    export LOG_LEVEL=$level
}
export LOG_LEVEL=$level
round=0
while [ $round -lt "$rounds" ]; do
    round=$((round + 1))
    ours up >/dev/null 2>&1
    change
    under_traffic mainstay $port ours deploy app --watch 0
    ours down --volumes --yes >/dev/null 2>&1
    direct up -d --wait db >/dev/null 2>&1
    direct run --rm migrate >/dev/null 2>&1
    direct up -d --wait direct >/dev/null 2>&1
    change
    under_traffic compose 18281 direct up -d --wait direct
    direct down --volumes >/dev/null 2>&1
done

echo "seconds of the command; requests, failed, p99 ms, slowest ms, longest gap ms (the round of the median time, of $rounds)"
for name in mainstay compose; do
    sort -n "$out/$name" | awk -v name=$name '{a[NR]=$0} END {split(a[int((NR+1)/2)], f, " "); printf "%s: %.2f s; %s, %s, %s, %s, %s\n", name, f[1]/1000, f[2], f[3], f[4], f[5], f[6]}'
    awk -v name=$name '{n+=$3; s+=$2} END {printf "%s: %d of %d requests failed in all rounds\n", name, n, s}' "$out/$name"
done
"$compose" version | head -n 1
