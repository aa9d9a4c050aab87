#!/usr/bin/env bash
# Runs the official clients against the built host with the bundled database plugin and the plugin with the fixtures of the conformance
# suite, over HTTP and stdio, in every era that each knows. The last line is `N passed, N failed`.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
source "$here/../lib/host.sh"
installed=$root/target/clients

built "$host" host
built "$root/plugins/database/database.wasm" plugins
built "$guests/conformance.wasm" guests
built "$installed/installed" clients

plugin database "$root/plugins/database" "$root/plugins/database/database.wasm"
plugin conformance "$root/tests/guests/conformance" "$guests/conformance.wasm"
# The web page of another origin has to be known before the host starts.
page=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
settings <<END
[http]
allowed_origins = ["http://127.0.0.1:$page"]
[databases.main]
engine = "sqlite"
path = "shop.db"
init = "$root/examples/data/shop.sql"
END
start_host

# One check: its name, then the command. It runs beside others, as many as there are processors.
names=()
check() {
    local at=$scratch/check.${#names[@]}
    names+=("$1")
    shift
    { "$@" >"$at" 2>&1 </dev/null && touch "$at.passed"; } &
    # The host is one of the jobs.
    while [ "$(jobs -rp | wc -l)" -gt "$(nproc)" ]; do wait -n || true; done
}

# Every client runs in an empty home folder, and sees nothing of this environment.
client() {
    local name=$1 home
    shift
    home=$(mktemp -d "$scratch/home.XXXXXX")
    check "$name" env -i -C "$home" HOME="$home" TMPDIR="$home" LANG=C.UTF-8 PATH="$installed/venv/bin:$installed/node_modules/.bin:$PATH" \
        timeout --kill-after=5 120 "$@"
}

# Node.js looks for packages from where a script is.
cp "$here"/*.mjs "$installed/"
both=database,fixtures
python=("$installed/venv/bin/python" "$here/python.py" $both)
v1=(node "$installed/typescript-v1.mjs" $both)
v2=(node "$installed/typescript-v2.mjs" $both)
stdio=("$host" stdio --config "$scratch/cofferdam.toml")

for era in legacy modern; do client "inspector      http   $era" "$here/inspector.sh" "$era" "$url"; done
for era in legacy modern; do client "inspector      stdio  $era" "$here/inspector.sh" "$era" "${stdio[@]}"; done
for mode in legacy auto 2026-07-28; do client "python         http   $mode" "${python[@]}" "$mode" "$url"; done
for mode in legacy auto; do client "python         stdio  $mode" "${python[@]}" "$mode" "${stdio[@]}"; done
client "typescript-v1  http" "${v1[@]}" "$url"
client "typescript-v1  stdio" "${v1[@]}" "${stdio[@]}"
for mode in legacy auto pin; do client "typescript-v2  http   $mode" "${v2[@]}" "$mode" "$url"; done
for mode in legacy auto; do client "typescript-v2  stdio  $mode" "${v2[@]}" "$mode" "${stdio[@]}"; done
client "claude-code    http" "$here/claude-code.sh" "$url"
client "claude-code    stdio" "$here/claude-code.sh" "${stdio[@]}"
if command -v chromium-headless-shell >/dev/null; then
    client "browser        http" node "$installed/browser.mjs" "$page" "$url"
    check "browser        events, EventSource and WebSocket" "$here/streams.sh"
else
    echo "skip  browser: chromium-headless-shell is not installed"
fi

while [ "$(jobs -rp | wc -l)" -gt 1 ]; do wait -n || true; done
# The clients are gone, so that nothing is left to drain.
code=0
stop_host || code=$?
check "host           exits with 0 on SIGTERM" test "$code" = 0
wait

passed=0 failed=0
for i in "${!names[@]}"; do
    if [ -f "$scratch/check.$i.passed" ]; then
        passed=$((passed + 1))
        echo "ok    ${names[i]}"
    else
        failed=$((failed + 1))
        echo "FAIL  ${names[i]}"
        sed 's/^/      /' "$scratch/check.$i"
    fi
done
[ $failed = 0 ] || show_log
echo "$passed passed, $failed failed"
[ $failed = 0 ]
