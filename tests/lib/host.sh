# For scripts that drive other programs against the built host: to be sourced. It starts `cofferdam serve` with plugins and settings of the
# script's choice, waits until it is ready, and ends it with the script.
root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
host=$root/target/release/cofferdam
guests=$root/target/guests/wasm32-wasip2/release
# A folder of the script's own, and what `start_host` finds out: where the host serves MCP, and its process.
scratch=$(mktemp -d)
url= pid=

end() {
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
    rm -rf "$scratch"
}
trap end EXIT
trap 'exit 1' INT TERM

# What has to be there before: a file, and the make target that makes it.
built() {
    [ -f "$1" ] || { echo "${1#"$root/"} is not there; run \`make $2\` first" >&2; exit 1; }
}

# A plugin of the host to be: its name, the folder of its manifest, and its component.
plugin() {
    mkdir -p "$scratch/plugins/$1"
    cp "$2/plugin.toml" "$3" "$scratch/plugins/$1/"
}

# The settings of the host to be; those of the script's own are on standard input.
settings() {
    {
        cat <<END
plugins = "plugins"
state = "$root/target/test-state"
[listen]
http = "127.0.0.1:0"
admin = "127.0.0.1:0"
END
        cat
    } >"$scratch/cofferdam.toml"
}

ready() {
    local status= address=${1#http://}
    address=${address%%/*}
    exec 4<>"/dev/tcp/${address%:*}/${address##*:}" || return
    printf 'GET /readyz HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n' "$address" >&4
    IFS= read -r -t 10 status <&4 || true
    exec 4>&-
    [[ $status == 'HTTP/1.1 200 '* ]]
}

# The host chooses free ports, and prints them when its plugins are loaded.
start_host() {
    local health= line
    mkfifo "$scratch/out"
    "$host" serve --config "$scratch/cofferdam.toml" >"$scratch/out" 2>"$scratch/log" &
    pid=$!
    exec 3<"$scratch/out"
    while [ -z "$health" ] && IFS= read -r -t 60 line <&3; do
        case $line in
            'MCP '*) url=${line##* } ;;
            'health '*) health=${line##* } ;;
        esac
    done
    until [ -n "$health" ] && ready "$health" 2>/dev/null; do
        if [ -z "$health" ] || [ "$SECONDS" -gt 60 ] || ! kill -0 "$pid" 2>/dev/null; then
            echo "the host did not become ready:" >&2
            cat "$scratch/log" >&2
            exit 1
        fi
        sleep 0.05
    done
}

# Asks the host to end and waits for it: returns its exit code. Its standard output ends when it does.
stop_host() {
    local code=0
    kill -TERM "$pid"
    IFS= read -r -d '' -t 60 _ <&3 || [ $? -le 128 ] || kill -KILL "$pid"
    wait "$pid" || code=$?
    pid=
    return $code
}

show_log() {
    echo "the host's log:"
    sed 's/^/      /' "$scratch/log"
}
