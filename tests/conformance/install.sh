#!/usr/bin/env bash
# Installs the official conformance suite that run.sh runs into target/conformance, with a Node.js that is new enough for it. Does nothing
# when the same version is there already.
set -euo pipefail
cd "$(dirname "$0")"
source ../lib/install.sh ../../target/conformance package.json package-lock.json

echo "installing the official conformance suite into target/conformance"
from_npm
finished
