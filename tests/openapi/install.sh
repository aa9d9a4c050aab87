#!/usr/bin/env bash
# Installs schemathesis and a validator of OpenAPI documents from PyPI into target/openapi. Does nothing when the same versions are there
# already.
set -euo pipefail
cd "$(dirname "$0")"
source ../lib/install.sh ../../target/openapi requirements.txt

echo "installing schemathesis into target/openapi"
from_pypi >"$dir/pypi.log" 2>&1 || { cat "$dir/pypi.log" >&2; exit 1; }
finished
