#!/usr/bin/env bash
# Checks /openapi.json of the built host with bundled plugins and a plain component: first that it is OpenAPI, then, with schemathesis, that
# the host answers as it says, to requests that fit the document and to such that do not. Then it runs the script of examples/ci-plain-http.
# The last line is `N passed, N failed`.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
source "$here/../lib/host.sh"
installed=$root/target/openapi

built "$host" host
for bundled in database notes; do built "$root/plugins/$bundled/$bundled.wasm" plugins; done
built "$guests/calculator.wasm" guests
built "$installed/installed" openapi

# The plugin `web` is not among them: without a network, all that it can say is that nobody answers.
plugin database "$root/plugins/database" "$root/plugins/database/database.wasm"
plugin notes "$root/plugins/notes" "$root/plugins/notes/notes.wasm"
cp "$guests/calculator.wasm" "$scratch/plugins/"
settings <<END
[databases.main]
engine = "sqlite"
path = "shop.db"
init = "$root/examples/data/shop.sql"
[keyvalue]
store = "memory"
[tasks]
store = "memory"
END
start_host
base=${url%/mcp}

passed=0 failed=0
check() {
    local name=$1
    shift
    if timeout --kill-after=5 120 "$@" >"$scratch/check" 2>&1 </dev/null; then
        passed=$((passed + 1))
        echo "ok    $name"
        sed -n 's/^ *\([0-9]* generated\),.*/      \1/p' "$scratch/check"
    else
        failed=$((failed + 1))
        echo "FAIL  $name"
        sed 's/^/      /' "$scratch/check"
    fi
}

# All paths that are no streams. Deterministic: the same requests every time.
cd "$scratch"
checks=not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,unsupported_method
checks+=,allow_header_conformance
schemathesis() {
    env -i HOME="$scratch" LANG=C.UTF-8 PATH="$PATH" "$installed/venv/bin/python" -m schemathesis.cli run "$base/openapi.json" \
        --checks "$checks" --phases examples,coverage,fuzzing --max-examples "$1" --generation-deterministic \
        --include-path-regex '^/(mcp/(query|update|batch)|openapi[.]json)$' --request-timeout 20 --warnings off --no-color
}

curl --silent --show-error --fail --output openapi.json "$base/openapi.json"
check "the document is OpenAPI 3.1" "$installed/venv/bin/python" -m openapi_spec_validator --schema 3.1 openapi.json
export -f schemathesis
export installed base scratch checks
check "the host answers as it says" bash -c 'schemathesis 60'
check "examples/ci-plain-http" env COFFERDAM_URL="$base" "$root/examples/ci-plain-http/check.sh"
code=0
stop_host || code=$?
check "host exits with 0 on SIGTERM" test "$code" = 0

[ $failed = 0 ] || show_log
echo "$passed passed, $failed failed"
[ $failed = 0 ]
