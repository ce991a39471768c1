#!/bin/sh
# Warm `up`: images built, volume initialised, nothing running, to the first 200 of /readyz.
# mainstay and Docker Compose v2 take turns on the same compose file; medians and their ratio at the end.
#
#     bench/up.sh [ROUNDS [COMPOSE-FILE...]]      (needs an engine, the images of `./mainstay build`, curl)
set -eu
cd "$(dirname "$0")/.."
rounds=${1:-7}
[ $# -eq 0 ] || shift
files='-f compose.yaml'
for file in "$@"; do files="$files -f $file"; done
port=18180
export MAINSTAY_BIND=127.0.0.1 MAINSTAY_PORT=$port
out=$(mktemp -d)
mainstay=target/$(rustc -vV | sed -n 's/^host: *//p')/release/mainstay

# Debian 13 has Compose v2; its binary runs alone, so it is taken out of a container of ours.
compose=$out/docker-compose
DOCKER_BUILDKIT=0 docker build -q -t mainstay/bench-compose - >/dev/null 2>&1 <<'DOCKERFILE'
FROM debian:trixie-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends docker-compose >/dev/null
DOCKERFILE
id=$(docker create mainstay/bench-compose true)
docker cp -q "$id:/usr/libexec/docker/cli-plugins/docker-compose" "$compose" 2>/dev/null ||
    docker cp "$id:/usr/libexec/docker/cli-plugins/docker-compose" "$compose"
docker rm "$id" >/dev/null

# Compose mounts the secret from a file, which the container's user must be able to read.
mkdir -p .mainstay
[ -f .mainstay/db_password ] || head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n' >.mainstay/db_password
chmod 644 .mainstay/db_password

now() { date +%s%N; }

# until_ready COMMAND...: milliseconds from the start of the command to the first 200.
until_ready() {
    begun=$(now)
    "$@" >"$out/log" 2>&1 &
    pid=$!
    i=0
    until [ "$(curl -s -o /dev/null -w '%{http_code}' --max-time 1 "http://127.0.0.1:$port/readyz")" = 200 ]; do
        i=$((i + 1))
        [ "$i" -lt 3000 ] || { cat "$out/log" >&2; exit 1; }
        sleep 0.02
    done
    ready=$(now)
    wait "$pid"
    echo "$(((ready - begun) / 1000000)) $((($(now) - begun) / 1000000))"
}

# shellcheck disable=SC2086 # a list of options
ours() { "$mainstay" $files -p bench-ours "$@"; }
# shellcheck disable=SC2086
theirs() { "$compose" $files -p bench-theirs "$@"; }
clean() {
    ours down --volumes --yes >/dev/null 2>&1 || true
    theirs down --volumes >/dev/null 2>&1 || true
    rm -rf "$out"
}
trap clean EXIT

ours up >/dev/null 2>&1 && ours down >/dev/null 2>&1
theirs up -d --wait >/dev/null 2>&1 && theirs down >/dev/null 2>&1
for round in $(seq "$rounds"); do
    until_ready ours up >>"$out/ours"
    ours down >/dev/null 2>&1
    until_ready theirs up -d --wait >>"$out/theirs"
    theirs down >/dev/null 2>&1
    printf 'round %s: ours %s ms, compose %s ms (to the first 200, to the command'"'"'s end)\n' \
        "$round" "$(tail -n 1 "$out/ours")" "$(tail -n 1 "$out/theirs")" >&2
done

median() { sort -n | awk '{a[NR]=$1} END {print a[int((NR+1)/2)]}'; }
for column in 1 2; do
    a=$(cut -d' ' -f$column "$out/ours" | median)
    b=$(cut -d' ' -f$column "$out/theirs" | median)
    name=$([ $column = 1 ] && echo 'first 200' || echo 'command ends')
    echo "$name: mainstay $a ms, docker compose up --wait $b ms, ratio $(awk "BEGIN {printf \"%.2f\", $a / $b}") (medians of $rounds)"
done
"$compose" version | head -n 1
