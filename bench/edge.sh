#!/bin/sh
# Our edge, HAProxy, nginx and Caddy in front of the same two targets, in turns, each writing an access log; ours with
# metrics and limits by client as well.
#
#     bench/edge.sh [ROUNDS] [SECONDS]      (needs haproxy, nginx, caddy, wrk, `cargo build --release -p mainstay-edge`)
set -eu
cd "$(dirname "$0")/.."
rounds=${1:-5}
seconds=${2:-4}
edge=${EDGE_BIN:-target/release/edge}
out=$(mktemp -d)
pids=
clean() {
    for pid in $pids; do kill "$pid" 2>/dev/null || true; done
    wait
    rm -rf "$out"
}
trap clean EXIT

# Two targets, each one worker that answers 76 bytes of JSON.
for port in 19101 19102; do
    cat >"$out/target-$port.conf" <<CONF
daemon off; master_process off; pid $out/target-$port.pid; error_log /dev/null;
events { worker_connections 4096; }
http { access_log off; keepalive_requests 1000000000; keepalive_timeout 75s;
  server { listen 127.0.0.1:$port; default_type application/json;
    location / { return 200 '{"id":"0af76519-16cd-43dd-8448-eb211c80319c","title":"a todo","done":false}'; } } }
CONF
    nginx -c "$out/target-$port.conf" 2>/dev/null &
    pids="$pids $!"
done

cat >"$out/haproxy.cfg" <<CONF
global
  nbthread 2
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  option forwardfor
  option redispatch
  retries 3
  timeout client 60s
  timeout server 60s
  timeout connect 1s
  timeout http-request 60s
frontend front
  bind 127.0.0.1:19202
  default_backend app
backend app
  balance random(2)
  option httpchk GET /readyz
  server a 127.0.0.1:19101 check inter 1s
  server b 127.0.0.1:19102 check inter 1s
CONF
haproxy -db -f "$out/haproxy.cfg" >/dev/null 2>&1 &
haproxy=$!

cat >"$out/nginx.conf" <<CONF
daemon off; worker_processes 2; pid $out/nginx.pid; error_log /dev/null;
events { worker_connections 4096; }
http { access_log /dev/null combined; keepalive_requests 1000000000;
  upstream app { random two least_conn; server 127.0.0.1:19101; server 127.0.0.1:19102; keepalive 128; keepalive_requests 1000000000; }
  server { listen 127.0.0.1:19203 reuseport;
    location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ''; proxy_set_header Host \$host;
      proxy_set_header X-Forwarded-For \$remote_addr; } } }
CONF
nginx -c "$out/nginx.conf" 2>/dev/null &
nginx=$!

cat >"$out/Caddyfile" <<CONF
{
  admin off
  auto_https off
}
http://127.0.0.1:19204 {
  log {
    output file /dev/null
  }
  reverse_proxy 127.0.0.1:19101 127.0.0.1:19102 {
    lb_policy random_choose 2
    health_uri /readyz
    health_interval 1s
  }
}
CONF
GOMAXPROCS=2 HOME=$out caddy run --config "$out/Caddyfile" --adapter caddyfile >/dev/null 2>&1 &
caddy=$!

"$edge" serve --listen 127.0.0.1:19201 --threads 2 --journal "$out/edge.json" --handover "$out/handover.sock" \
    --metrics 127.0.0.1:19209 --client-connections 10000 --client-rate 1000000 --client-burst 1000000 \
    --socket "$out/edge.sock" >/dev/null &
ours=$!
pids="$pids $haproxy $nginx $caddy $ours"
sleep 1
for port in 19101 19102; do "$edge" --socket "$out/edge.sock" add app "127.0.0.1:$port" --release 1 2>/dev/null ||
    "$edge" --socket "$out/edge.sock" add app "localhost:$port" --release 1; done
"$edge" --socket "$out/edge.sock" ready app 1
"$edge" --socket "$out/edge.sock" route app 1

# Clock ticks of a process and its children, which are 10 ms.
ticks() { for pid in $1 $(cat "/proc/$1/task/$1/children"); do awk '{print $14 + $15}' "/proc/$pid/stat"; done | awk '{n+=$1} END {print n}'; }
memory() { for pid in $1 $(cat "/proc/$1/task/$1/children"); do awk '/^VmRSS/ {print $2}' "/proc/$pid/status"; done | awk '{n+=$1} END {print n}'; }
run() { # NAME PID PORT: requests per second, p50, p99, CPU µs a request, KiB
    before=$(ticks "$2")
    wrk -t2 -c64 -d"${seconds}s" --latency "http://127.0.0.1:$3/" >"$out/wrk"
    after=$(ticks "$2")
    awk -v ticks=$((after - before)) -v memory="$(memory "$2")" '/50%/ {p50=$2} /99%/ {p99=$2} /requests in/ {n=$1} /Requests\/sec/ {rps=int($2)}
        /Non-2xx|Socket errors/ {bad=bad $0} END {printf "%.1f %d %s %s %d %s\n", ticks*10000/n, rps, p50, p99, memory, bad}' "$out/wrk" >>"$out/$1"
}
for round in $(seq "$rounds"); do
    run edge $ours 19201
    run haproxy $haproxy 19202
    run nginx $nginx 19203
    run caddy $caddy 19204
    echo "round $round done" >&2
done
median() { sort -n | awk '{a[NR]=$0} END {print a[int((NR+1)/2)]}'; }
echo "CPU µs a request, requests per second, p50, p99, resident KiB (the median round of $rounds by CPU)"
for name in edge haproxy nginx caddy; do echo "$name: $(median <"$out/$name")"; done
haproxy -v | head -1
nginx -v 2>&1
echo "Caddy $(caddy version)"
