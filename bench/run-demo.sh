#!/usr/bin/env bash
# `make run`: a cluster on embedded defaults in a data directory of its own, a write phase, a read phase, the tables.
set -euo pipefail
cd "$(dirname "$0")/.."
data=$(mktemp -d ./straightline-demo.XXXXXX)
./target/release/aisnode --data-dir "$data" &
node=$!
stop() {
  kill -TERM "$node" 2>/dev/null && wait "$node" || true
  rm -rf "$data"
}
trap stop EXIT

url=http://127.0.0.1:51080
for _ in $(seq 700); do
  kill -0 "$node" 2>/dev/null || { echo "aisnode did not start" >&2; exit 1; }
  if (exec 3<>/dev/tcp/127.0.0.1/51080) 2>/dev/null; then break; fi
  sleep 0.1
done

load=(./target/release/aisloader -ip 127.0.0.1 -port 51080 -bucket ais://demo -minsize 1MiB -maxsize 1MiB -statsinterval 5
  # Ten seconds on a shared machine show that it works; what they break is printed all the same.
  -allow not-steady,too-short,client-saturated,clock-step,steal)
echo; echo "== PUT 1 MiB, durable (group commit), 8 workers"
# The reads are to come from the disk, however much memory the machine has.
"${load[@]}" -bprops '{"read_cache": false}' -pctput 100 -numworkers 8 -duration 10s -totalputsize 4GiB -cleanup=false
echo; echo "== random GET 1 MiB from disk, 16 workers"
"${load[@]}" -pctput 0 -numworkers 16 -duration 10s -cleanup=true
echo; echo "data was in $data (removed now); to keep a node running: ./target/release/aisnode, then use $url"
