#!/usr/bin/env bash
# The Inspector's command line: inspector.sh (legacy | modern) (URL | COMMAND ARGUMENT...). It has no completion, cannot be asked anything,
# and shows neither progress nor log messages.
set -euo pipefail
era=$1
shift
target=("$@")
checks=$(dirname "$0")/checks.mjs

# Checks an answer: the plugin, what it is checked as, and the request. One process of the Inspector makes one request.
inspect() {
    local plugin=$1 what=$2 method=$3
    shift 3
    mcp-inspector --cli --quiet --format json --protocol-era "$era" --method "$method" "$@" -- "${target[@]}" |
        node "$checks" "$plugin" "$what"
}
call() {
    inspect fixtures "$1" tools/call --tool-name "$1"
}
# It exits with 5 after the answer of a tool that failed.
failing_call() {
    local code=0
    call "$1" || code=$?
    [ $code = 5 ]
}

inspect database tools/list tools/list --strict
inspect database database_schema tools/call --tool-name database_schema --tool-args-json '{"table":"orders"}'
inspect database database_query tools/call --tool-name database_query --tool-args-json '{"sql":"SELECT count(*) AS n FROM customers"}'

call test_image_content
failing_call test_error_handling
inspect fixtures test://static-binary resources/read --uri test://static-binary
inspect fixtures test_prompt_with_arguments prompts/get --prompt-name test_prompt_with_arguments --prompt-args arg1=hello arg2=world
# Each process takes a second, and the rest is the same to it over both transports.
[[ $1 == http://* ]] || exit 0
call test_tool_with_progress
inspect fixtures resources/list resources/list
inspect fixtures resources/templates/list resources/templates/list
inspect fixtures test://template/123/data resources/read --uri test://template/123/data
inspect fixtures prompts/list prompts/list
# Newer revisions have no such request.
[ "$era" = modern ] || inspect fixtures logging/setLevel logging/setLevel --log-level debug
