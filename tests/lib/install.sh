# For scripts that install official programs into a folder of target/: to be sourced. `dir` is that folder, and the files given are what
# says which versions are installed. The script ends here when they are there already.
dir=$1
shift
stamp=$dir/installed
key=$({ cat "$@" install.sh ../lib/install.sh; uname -sm; python3 --version; } | sha256sum)

if [ "$(cat "$stamp" 2>/dev/null)" = "$key" ]; then exit 0; fi
rm -f "$stamp"
mkdir -p "$dir"

# The lock has versions and checksums, but no addresses: the registry is the one that npm is set up for. To make it anew:
# `npm install --package-lock-only --omit-lockfile-registry-resolved`, and take out what names hosts (`funding`).
# Packages run no scripts. npm warns that Node.js is too old for some of them; the one in the lock is not.
from_npm() {
    cp package.json package-lock.json "$dir/"
    npm ci --prefix "$dir" --ignore-scripts --no-audit --no-fund --loglevel=error
}

# Debian has `venv` without `pip` in it as long as python3-venv is not installed.
from_pypi() {
    local venv=$dir/venv pip
    rm -rf "$venv"
    if python3 -m venv "$venv" >/dev/null 2>&1; then
        pip=("$venv/bin/python" -m pip install)
    else
        rm -rf "$venv"
        python3 -m venv --without-pip "$venv"
        pip=(python3 -m pip install --target "$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')")
    fi
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore "${pip[@]}" --quiet --requirement requirements.txt
}

finished() {
    echo "$key" >"$stamp"
}
