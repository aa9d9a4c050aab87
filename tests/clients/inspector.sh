#!/usr/bin/env bash
# The Inspector's command line: inspector.sh (legacy | modern) (URL | COMMAND ARGUMENT...)
set -euo pipefail
era=$1
shift
checks=$(dirname "$0")/checks.mjs

# Prints the answer, also when it is an error. One process of it makes one request.
inspect() {
    local method=$1
    shift
    mcp-inspector --cli --quiet --format json --protocol-era "$era" --method "$method" "$@" -- "${target[@]}"
}

target=("$@")
inspect tools/list --strict | node "$checks" tools/list
inspect tools/call --tool-name database_schema --tool-args-json '{"table":"orders"}' | node "$checks" database_schema
inspect tools/call --tool-name database_query --tool-args-json '{"sql":"SELECT count(*) AS n FROM customers"}' | node "$checks" database_query
