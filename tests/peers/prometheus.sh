#!/usr/bin/env bash
# A real Prometheus reads a real run: promtool likes /metrics, `up` is 1, and the counter of restarts
# moves when an agent is killed. Prints `skipped: …` and exits 0 where Prometheus is not installed.
#
# usage: prometheus.sh PATH-OF-CONCLAVE
# environment: CONCLAVE_RUN_ARGS   more arguments of `run`; by default the fault that is looked for
#              PATIENCE_S          how long anything may take, seconds; default 60
set -euo pipefail

conclave=${1:?usage: prometheus.sh PATH-OF-CONCLAVE}
agent=position_sizer
read -r -a run_args <<<"${CONCLAVE_RUN_ARGS:---fault $agent=kill@3}"
patience=${PATIENCE_S:-60}

for tool in prometheus promtool python3; do
    command -v "$tool" >/dev/null || { echo "skipped: $tool is not installed"; exit 0; }
done

dir=$(mktemp -d)
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    rm -rf "$dir"
}
trap finish EXIT

fail() {
    echo "FAILED: $1"
    for log in "$dir"/*.log; do echo "== ${log##*/}"; tail -n 20 "$log"; done
    exit 1
}

# wait_for WHAT COMMAND…: until the command succeeds; fails when it takes longer than the patience.
wait_for() {
    local what=$1 until=$((SECONDS + patience))
    shift
    until "$@" >/dev/null 2>&1; do
        for pid in "${pids[@]}"; do
            kill -0 "$pid" 2>/dev/null || fail "a process ended while waiting for $what"
        done
        ((SECONDS < until)) || fail "$what did not come within $patience s"
        sleep 0.2
    done
}

fetch() { # URL
    python3 -c 'import sys, urllib.request as u
opener = u.build_opener(u.ProxyHandler({}))
sys.stdout.buffer.write(opener.open(sys.argv[1], timeout=5).read())' "$1"
}

# at_least URL PROMQL FLOOR: the query has a result and its sum is FLOOR or more.
at_least() {
    python3 -c 'import json, sys, urllib.parse as p, urllib.request as u
base, query, floor = sys.argv[1:]
url = base + "/api/v1/query?" + p.urlencode({"query": query})
answer = json.load(u.build_opener(u.ProxyHandler({})).open(url, timeout=5))
rows = answer["data"]["result"]
value = sum(float(row["value"][1]) for row in rows)
print(query, "=", value if rows else "nothing")
sys.exit(0 if rows and value >= float(floor) else 1)' "$@"
}

free_port() {
    python3 -c 'import socket
s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

"$conclave" run --stay --port 0 --out "$dir/run" "${run_args[@]}" >"$dir/conclave.log" 2>&1 &
pids+=($!)
wait_for "the address of the run" test -s "$dir/run/station.json"
url=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["url"])' "$dir/run/station.json")
wait_for "/metrics" fetch "$url/metrics"

has_metric() { fetch "$url/metrics" | grep -q "^$1"; }
wait_for "conclave_mailbox_depth" has_metric conclave_mailbox_depth
fetch "$url/metrics" >"$dir/metrics.txt"
promtool check metrics <"$dir/metrics.txt" >"$dir/promtool.log" 2>&1 ||
    fail "promtool does not like /metrics"
[ ! -s "$dir/promtool.log" ] || { echo "promtool says:"; cat "$dir/promtool.log"; }

cat >"$dir/prometheus.yml" <<YAML
global:
  scrape_interval: 1s
scrape_configs:
  - job_name: conclave
    static_configs:
      - targets: ["${url#http://}"]
YAML
promtool check config "$dir/prometheus.yml" >"$dir/config.log" 2>&1 || fail "the scrape config is wrong"

port=$(free_port)
prometheus --config.file="$dir/prometheus.yml" --storage.tsdb.path="$dir/tsdb" \
    --web.listen-address="127.0.0.1:$port" --log.level=warn >"$dir/prometheus.log" 2>&1 &
pids+=($!)
api="http://127.0.0.1:$port"
wait_for "up == 1" at_least "$api" 'up{job="conclave"}' 1
wait_for "the depth of the mailboxes" at_least "$api" 'conclave_mailbox_depth' 0
wait_for "a restart of $agent" at_least "$api" "conclave_actor_restarts_total{actor=\"$agent\"}" 1

at_least "$api" 'up{job="conclave"}' 1
at_least "$api" 'count(conclave_mailbox_depth)' 1
at_least "$api" "conclave_actor_restarts_total{actor=\"$agent\"}" 1
echo "passed: Prometheus scrapes $url"
