#!/usr/bin/env bash
# Installs what the examples in TypeScript need, as their lock files say, and runs their tests against the built host with the bundled
# plugins. What is installed already is left as it is.
set -euo pipefail
root=$(realpath "$(dirname "$0")/../..")
examples=(typescript-client log-analysis schema-to-code)

for file in target/release/cofferdam plugins/{database,logs,notes,rooms}/*.wasm; do
    [ -f "$root/$file" ] || { echo "$file is not there; run \`make host plugins\` first" >&2; exit 1; }
done
# A Node.js that is new enough is among the official clients.
[ ! -x "$root/target/clients/node_modules/.bin/node" ] || PATH=$root/target/clients/node_modules/.bin:$PATH

install() {
    local key stamp=node_modules/.installed
    key=$({ cat package.json package-lock.json; node --version; } | sha256sum)
    if [ "$(cat "$stamp" 2>/dev/null)" = "$key" ]; then return; fi
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
    echo "$key" >"$stamp"
}

for example in "${examples[@]}"; do
    cd "$root/examples/$example"
    echo "== examples/$example"
    install
    # The first one builds the client that the others use.
    npm test --silent
done
