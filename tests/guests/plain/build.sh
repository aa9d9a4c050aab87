#!/usr/bin/env bash
# Makes the plain components that are not in Rust, in the folder $1: text.wasm from JavaScript (componentize-qjs, from npm) and adder.wasm
# from Python (componentize-py, from PyPI). The tools are installed into target/plain. What is made of the same sources already is left.
set -euo pipefail
out=$(realpath -m "$1")
cd "$(dirname "$0")"
dir=$(realpath -m ../../../target/plain)
key=$({ cat build.sh package-lock.json requirements.txt text/wit/* text/text.js adder/wit/* adder/app.py; uname -sm; python3 --version; } | sha256sum)
if [ "$(cat "$dir/built" 2>/dev/null)" = "$key" ] && [ -e "$out/text.wasm" ] && [ -e "$out/adder.wasm" ]; then exit 0; fi
mkdir -p "$dir" "$out"
rm -f "$dir/built"

from_javascript() {
    cp package.json package-lock.json "$dir/"
    # Not `npm ci`: it wants every optional package in the lock, also those for machines for which none was published.
    (cd "$dir" && npm install --no-save --ignore-scripts --no-audit --no-fund --loglevel=error)
    "$dir/node_modules/.bin/componentize-qjs" --sync --wit text/wit --world text --js text/text.js --output "$out/text.wasm"
}

from_python() {
    # Into a folder, not an environment: Debian has `venv` without `pip` in it.
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
        python3 -m pip install --quiet --upgrade --target "$dir/python" --requirement requirements.txt
    (cd adder && PYTHONDONTWRITEBYTECODE=1 PYTHONPATH="$dir/python" "$dir/python/bin/componentize-py" --quiet \
        --wit-path wit --world adder componentize app --output "$out/adder.wasm")
}

echo "building the plain components in JavaScript and Python"
from_javascript >"$dir/javascript.log" 2>&1 &
javascript=$!
from_python >"$dir/python.log" 2>&1 &
python=$!
failed=0
wait $javascript || { failed=1; cat "$dir/javascript.log" >&2; }
wait $python || { failed=1; cat "$dir/python.log" >&2; }
[ $failed = 0 ] || exit 1
echo "$key" >"$dir/built"
