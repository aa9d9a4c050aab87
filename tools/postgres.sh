#!/usr/bin/env bash
# Prints the folder with PostgreSQL's programs, and installs them first where they are missing: tests run a real server.
set -euo pipefail
found() {
  local folder
  for folder in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -Vr) /usr/pgsql-*/bin /usr/local/bin /usr/bin; do
    if [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ]; then echo "$folder"; return 0; fi
  done
  return 1
}
if ! found; then
  sudo=$([ "$(id -u)" = 0 ] || echo sudo)
  { $sudo apt-get update && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends postgresql; } >&2
  found
fi
