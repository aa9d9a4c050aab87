#!/usr/bin/env bash
# Runs the official clients against the built host with the bundled database plugin, over HTTP and stdio, in every era that each knows.
# The last line is `N passed, N failed`.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
root=$(realpath "$here/../..")
installed=$root/target/clients
host=$root/target/release/cofferdam

[ -x "$host" ] || { echo "$host is not there; run \`make host\` first" >&2; exit 1; }
[ -f "$root/plugins/database/database.wasm" ] || { echo "plugins/database/database.wasm is not there; run \`make plugins\` first" >&2; exit 1; }
[ -f "$installed/installed" ] || { echo "the clients are not there; run \`make clients\` first" >&2; exit 1; }

scratch=$(mktemp -d)
pid=
end() {
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
    rm -rf "$scratch"
}
trap end EXIT
trap 'exit 1' INT TERM

mkdir -p "$scratch/plugins/database"
cp "$root"/plugins/database/{plugin.toml,database.wasm} "$scratch/plugins/database/"
cat >"$scratch/cofferdam.toml" <<END
plugins = "plugins"
state = "$root/target/test-state"
[listen]
http = "127.0.0.1:0"
admin = "127.0.0.1:0"
[databases.main]
engine = "sqlite"
path = "shop.db"
init = "$root/examples/data/shop.sql"
END

# The host chooses free ports, and prints them when its plugins are loaded.
mkfifo "$scratch/out"
"$host" serve --config "$scratch/cofferdam.toml" >"$scratch/out" 2>"$scratch/log" &
pid=$!
exec 3<"$scratch/out"
url= health=
while [ -z "$health" ] && IFS= read -r -t 60 line <&3; do
    case $line in
        'MCP '*) url=${line##* } ;;
        'health '*) health=${line##* } ;;
    esac
done

ready() {
    local status= address=${health#http://}
    address=${address%%/*}
    exec 4<>"/dev/tcp/${address%:*}/${address##*:}" || return
    printf 'GET /readyz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$address" >&4
    IFS= read -r -t 10 status <&4 || true
    exec 4>&-
    [[ $status == 'HTTP/1.1 200 '* ]]
}

until [ -n "$health" ] && ready 2>/dev/null; do
    if [ -z "$health" ] || [ "$SECONDS" -gt 60 ] || ! kill -0 "$pid" 2>/dev/null; then
        echo "the host did not become ready:" >&2
        cat "$scratch/log" >&2
        exit 1
    fi
    sleep 0.05
done

passed=0 failed=0
# One check: its name, then the command. What it prints is shown when it fails.
check() {
    local name=$1 output
    shift
    if output=$("$@" 2>&1 </dev/null); then
        passed=$((passed + 1))
        echo "ok    $name"
    else
        failed=$((failed + 1))
        echo "FAIL  $name"
        sed 's/^/      /' <<<"$output"
    fi
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
python=("$installed/venv/bin/python" "$here/python.py")
v1=(node "$installed/typescript-v1.mjs")
v2=(node "$installed/typescript-v2.mjs")
stdio=("$host" stdio --config "$scratch/cofferdam.toml")

for mode in legacy auto 2026-07-28; do client "python         http   $mode" "${python[@]}" "$mode" "$url"; done
for mode in legacy auto; do client "python         stdio  $mode" "${python[@]}" "$mode" "${stdio[@]}"; done
client "typescript-v1  http" "${v1[@]}" "$url"
client "typescript-v1  stdio" "${v1[@]}" "${stdio[@]}"
for mode in legacy auto pin; do client "typescript-v2  http   $mode" "${v2[@]}" "$mode" "$url"; done
for mode in legacy auto; do client "typescript-v2  stdio  $mode" "${v2[@]}" "$mode" "${stdio[@]}"; done
for era in legacy modern; do client "inspector      http   $era" "$here/inspector.sh" "$era" "$url"; done
for era in legacy modern; do client "inspector      stdio  $era" "$here/inspector.sh" "$era" "${stdio[@]}"; done
client "claude-code    http" "$here/claude-code.sh" "$url"
client "claude-code    stdio" "$here/claude-code.sh" "${stdio[@]}"

exited() {
    [ "$1" = 0 ] || { echo "exit code $1"; return 1; }
}

# The clients are gone, so that nothing is left to drain. The host's standard output ends when it does.
kill -TERM "$pid"
IFS= read -r -d '' -t 60 _ <&3 || [ $? -le 128 ] || kill -KILL "$pid"
code=0
wait "$pid" || code=$?
pid=
check "host           exits with 0 on SIGTERM" exited "$code"

if [ $failed -gt 0 ]; then
    echo "the host's log:"
    sed 's/^/      /' "$scratch/log"
fi
echo "$passed passed, $failed failed"
[ $failed = 0 ]
