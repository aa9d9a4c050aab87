#!/usr/bin/env bash
# A step of a CI job: reads from and writes to a running Cofferdam with nothing but curl. `COFFERDAM_URL` is where it is.
set -euo pipefail
url=${COFFERDAM_URL:-http://127.0.0.1:8484}

# Sends a body to a path. curl ends with 22 when the status is an error, and the problem is printed: its `type` is made for scripts.
call() {
    curl --silent --show-error --fail-with-body --compressed --max-time 60 --retry 3 \
        --header 'Content-Type: application/json' --data "$2" "$url$1" || { code=$?; echo; return $code; } >&2
}

# Whether an answer contains a text. Answers are one line of JSON without spaces between tokens.
expect() {
    case $1 in
        *"$2"*) echo "ok    $3" ;;
        *) echo "FAIL  $3: $1" >&2; exit 1 ;;
    esac
}

# A query, as a gate: the job fails when the shop's tables are not what the release needs.
answer=$(call /mcp/query '{"query":"database_schema"}')
expect "$answer" '"status":"ok"' 'the database answers'
expect "$answer" 'orders' 'the table of orders is there'

# An update, with a schema that the data has to fit before anything is written.
note="build ${GITHUB_RUN_ID:-local} of ${GITHUB_SHA:-an unknown commit}"
schema='{"properties":{"text":{"maxLength":200},"tags":{"minItems":1}}}'
answer=$(call /mcp/update "{\"target\":\"notes_add_note\",\"data\":{\"text\":\"$note\",\"tags\":[\"ci\"]},\"validation\":$schema}")
expect "$answer" '"updated":true' 'the build is noted'

# Several calls in one request; each has its own status.
answer=$(call /mcp/batch '{"requests":[{"query":"notes_search","parameters":{"text":"build"}},{"query":"no_such_query"}]}')
expect "$answer" "$note" 'the note is found again'
expect "$answer" 'urn:cofferdam:problem:unknown-operation' 'a problem is told by its type'

# What is refused is a status, so that a job stops at it.
if refused=$(call /mcp/update '{"target":"notes_add_note","data":{"text":"a"},"validation":false}' 2>&1); then
    echo "FAIL  what does not fit was accepted" >&2
    exit 1
fi
expect "$refused" 'urn:cofferdam:problem:invalid' 'what does not fit is refused'
