#!/usr/bin/env bash
# Claude Code's check of a server's health, which needs no login and no model: claude-code.sh (URL | COMMAND ARGUMENT...)
set -euo pipefail
export DISABLE_TELEMETRY=1 CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC=1

case $1 in
    http://*) claude mcp add --transport http cofferdam "$1" ;;
    *) claude mcp add cofferdam -- "$@" ;;
esac
# Its exit code is 0 whatever it finds.
for answer in "$(claude mcp list)" "$(claude mcp get cofferdam)"; do
    echo "$answer"
    grep -q '✔ Connected' <<<"$answer"
done
