#!/bin/sh
# The API at 64 connections, beside pgbench with 64 clients on the same database in the same run, in turns.
#
#     bench/api.sh [ROUNDS] [SECONDS]      (needs an engine, the images of `./mainstay build`, curl, wrk)
set -eu
cd "$(dirname "$0")/.."
rounds=${1:-5}
seconds=${2:-5}
project=bench-api
export MAINSTAY_BIND=127.0.0.1 MAINSTAY_PORT=18181
out=$(mktemp -d)
mainstay="target/$(rustc -vV | sed -n 's/^host: *//p')/release/mainstay -p $project"
clean() {
    $mainstay down --volumes --yes >/dev/null 2>&1 || true
    rm -rf "$out"
}
trap clean EXIT
$mainstay up >/dev/null 2>&1
url=http://127.0.0.1:$MAINSTAY_PORT
for n in $(seq 20); do curl -sf "$url/todos" -H 'Content-Type: application/json' -d "{\"title\":\"todo number $n\"}" >/dev/null; done
id=$(curl -sf "$url/todos" | sed 's/.*"id":"\([^"]*\)".*/\1/')
# Past the port's proxy: a load for the application, not for Docker.
address=$(docker inspect -f "{{(index .NetworkSettings.Networks \"${project}_front\").IPAddress}}" $project-app-1)

cat >"$out/post.lua" <<'LUA'
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"title":"one more"}'
LUA
cat >"$out/one.sql" <<SQL
SELECT id, title, completed, "order" FROM todo WHERE id = '$id';
SQL
secret=$(docker inspect -f '{{range .Mounts}}{{if eq .Destination "/run/secrets/db_password"}}{{.Source}}{{end}}{{end}}' $project-db-1)
image=$(docker inspect -f '{{.Config.Image}}' $project-db-1)

pgbench() {
    # In a container of its own on the database's network, as the application is.
    # shellcheck disable=SC2016 # the container's shell expands it
    docker run --rm --network ${project}_data --user 999:999 -v "$secret:/run/secrets/db_password:ro" -v "$out/one.sql:/one.sql:ro" \
        --entrypoint sh "$image" -c 'PGPASSWORD=$(cat /run/secrets/db_password) exec /usr/lib/postgresql/17/bin/pgbench -h db -U todomvc -n -M prepared -c 64 -j 2 -T '"$seconds"' -f /one.sql todomvc' 2>/dev/null |
        awk '/^latency average/ {l=$4} /^tps/ {print int($3), l}'
}
cpu() { docker exec "$1" cat /sys/fs/cgroup/cpuacct/cpuacct.usage 2>/dev/null || echo 0; }
http() { # NAME ARGUMENT...: requests per second, p50, p99
    name=$1
    shift
    wrk -t2 -c64 -d"${seconds}s" --latency "$@" >"$out/wrk"
    awk -v name="$name" '/50%/ {p50=$2} /99%/ {p99=$2} /Requests\/sec/ {rps=int($2)} /Non-2xx/ {bad=$0} END {print rps, p50, p99, bad}' "$out/wrk" >>"$out/$name"
}
for round in $(seq "$rounds"); do
    pgbench >>"$out/pgbench"
    http one "http://$address:8080/todos/$id"
    http list "http://$address:8080/todos"
    http post -s "$out/post.lua" "http://$address:8080/todos"
    # The list stays as long as it was.
    docker exec $project-db-1 psql -q todomvc -c "DELETE FROM todo WHERE title = 'one more'" >/dev/null
    echo "round $round done" >&2
done
median() { sort -n | awk '{a[NR]=$0} END {print a[int((NR+1)/2)]}'; }
for name in pgbench one list post; do echo "$name: $(median <"$out/$name")   (median of $rounds; requests per second, p50, p99; pgbench: transactions per second, mean ms)"; done
docker stats --no-stream --format '{{.Name}} {{.MemUsage}}' | grep "^$project-"
docker image ls --format '{{.Repository}}:{{.Tag}} {{.Size}}' | grep '^mainstay/.*:latest\|^debian:trixie'
