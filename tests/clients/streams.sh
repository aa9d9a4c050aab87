#!/usr/bin/env bash
# Drives EventSource and WebSocket of a real browser against the built host, with a plugin that publishes what it is told to.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
source "$here/../lib/host.sh"
built "$host" host
built "$guests/herald.wasm" guests

plugin herald "$root/tests/guests/herald" "$guests/herald.wasm"
# The page's origin has to be known before the host starts.
page=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
settings <<END
[http]
allowed_origins = ["http://127.0.0.1:$page"]
END
start_host
HOME=$scratch timeout --kill-after=5 90 node "$here/streams.mjs" "$page" "${url%/mcp}"
stop_host
