#!/usr/bin/env bash
# Installs the official clients that run.sh runs into target/clients: from npm with a Node.js that is new enough for them, and from PyPI
# into a virtual environment. On Debian, root gets a browser too. Does nothing when the same versions are there already.
set -euo pipefail
cd "$(dirname "$0")"
source ../lib/install.sh ../../target/clients package.json package-lock.json requirements.txt

# The one script that has to run puts the binary for this machine in its place.
npm_packages() {
    from_npm
    PATH=$PWD/$dir/node_modules/.bin:$PATH node "$dir/node_modules/@anthropic-ai/claude-code/install.cjs"
}

# The checks of the browser are left out where there is none.
from_debian() {
    if command -v chromium-headless-shell >/dev/null || ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then return; fi
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends chromium-headless-shell
}

echo "installing the official MCP clients into target/clients"
npm_packages >"$dir/npm.log" 2>&1 &
npm=$!
from_pypi >"$dir/pypi.log" 2>&1 &
pypi=$!
from_debian >"$dir/debian.log" 2>&1 || echo "no browser: $(tail -1 "$dir/debian.log")"
failed=0
wait $npm || { failed=1; cat "$dir/npm.log" >&2; }
wait $pypi || { failed=1; cat "$dir/pypi.log" >&2; }
[ $failed = 0 ] || exit 1
finished
