#!/usr/bin/env bash
# Runs the official conformance suite against the built host with the plugin that has its fixtures, or against the server at the given URL.
# Both revisions that it has requirements for, everything that it has, and the older revisions. The last line is `N passed, N failed`.
set -euo pipefail
here=$(realpath "$(dirname "$0")")
source "$here/../lib/host.sh"
installed=$root/target/conformance
results=$installed/results

built "$installed/installed" conformance
export PATH=$installed/node_modules/.bin:$PATH
if [ $# = 0 ]; then
    built "$host" host
    built "$guests/conformance.wasm" guests
    plugin conformance "$root/tests/guests/conformance" "$guests/conformance.wasm"
    settings </dev/null
    start_host
else
    url=$1
fi

# One run of the suite, whose report goes into a file: its name, then the suite's options.
suite() {
    local name=$1 code=0
    shift
    rm -rf "${results:?}/$name"
    mkdir -p "$results/$name"
    conformance server --url "$url" --expected-failures "$here/expected-failures.yml" --output-dir "$results/$name" "$@" \
        >"$results/$name.log" 2>&1 </dev/null || code=$?
    node "$here/report.mjs" "$name" "$results/$name" "$code" >"$results/$name.report" ||
        echo "$name: 0 passed, 1 failed" >"$results/$name.report"
}

# The suite mostly waits for timers, so that what takes longest runs beside the rest.
suite all --suite all &
everything=$!
suite 2025-11-25 --requirements 2025-11-25
suite 2026-07-28 --requirements 2026-07-28
suite 2025-06-18 --suite all --spec-version 2025-06-18
suite 2025-03-26 --suite all --spec-version 2025-03-26
wait $everything
if [ $# = 0 ]; then stop_host || echo "the host ended with exit code $?"; fi

passed=0 failed=0
for run in 2025-11-25 2026-07-28 all 2025-06-18 2025-03-26; do
    report=$(cat "$results/$run.report")
    echo "$report"
    [[ ${report##*$'\n'} =~ ([0-9]+)\ passed,\ ([0-9]+)\ failed ]]
    passed=$((passed + BASH_REMATCH[1])) failed=$((failed + BASH_REMATCH[2]))
done

if [ $failed -gt 0 ]; then
    echo "what was sent and answered is in ${results#"$root/"}"
    [ $# != 0 ] || show_log
fi
echo "$passed passed, $failed failed"
[ $failed = 0 ]
