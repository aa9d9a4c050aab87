#!/usr/bin/env bash
# Prints one line: the path of a rustc that can build for wasm32-wasip2. To be used as
#     RUSTC=$(tools/wasm-toolchain.sh) cargo build --release --target wasm32-wasip2
# Only RUSTC changes; the cargo on PATH stays the one that drives the build. Progress goes to stderr.
#
# The first of these that applies is taken:
#   1. $COFFERDAM_WASM_RUSTC    yours; an error if it lacks the target
#   2. the rustc on PATH        if it has the target, as after `rustup target add wasm32-wasip2`
#   3. Debian, as root          std is built once from Debian's packages; nothing is downloaded from rustup
#   4. rustup                   `rustup target add wasm32-wasip2`
# Step 3 keeps its result in .wasm-toolchain/ ($COFFERDAM_WASM_TOOLCHAIN_DIR) and makes it anew when Debian's
# compiler, the suite its libc is from ($COFFERDAM_WASI_LIBC_SUITE) or this script changes.
set -euo pipefail
exec 3>&1 1>&2 # from here stdout is stderr; only answer() writes the result

target=wasm32-wasip2
script=$(realpath "${BASH_SOURCE[0]}")
dir=$(realpath -m "${COFFERDAM_WASM_TOOLCHAIN_DIR:-${script%/*}/../.wasm-toolchain}")
sysroot=$dir/sysroot
# The first suite whose wasi-libc calls WASI 0.2 itself. Up to trixie it calls preview1 (also the part named wasip2):
# then each guest carries an adapter as a second core module, and starting an instance takes longer.
suite=${COFFERDAM_WASI_LIBC_SUITE:-forky}
debian_rustc=/usr/bin/rustc
packages=(rustc-web rust-web-src) # the newest Rust that Debian's stable suites have, and std's source for it

say() { echo "wasm-toolchain: $*"; }
die() { say "error: $*"; exit 1; }
answer() { echo "$1" >&3; exit 0; }
has_target() {
    local libdir
    libdir=$("$1" --print target-libdir --target $target 2>/dev/null) && compgen -G "$libdir/libstd-*.rlib" >/dev/null
}
# The compiler behind rustup's proxy, so that the answer holds whatever RUSTUP_TOOLCHAIN or folder it is used in.
default_rustc() { local r; r=$(rustc --print sysroot)/bin/rustc; [ -x "$r" ] || r=$(command -v rustc); echo "$r"; }
installed() { # prints the packages' versions, or fails
    local v
    v=$(dpkg-query -W -f '${Package}=${Version} ${db:Status-Status}\n' "${packages[@]}" 2>/dev/null) &&
        [ "$(grep -c ' installed$' <<<"$v")" = ${#packages[@]} ] && echo "$v"
}
# $sysroot is in the key because the wrapper names it: the folder cannot be moved.
key() { installed && echo "libc of $suite, for $sysroot" && sha256sum <"$script"; }
ready() { # looks at the link into rustup's toolchain too, which may have been removed since
    [ "$(key)" = "$(cat "$sysroot/key" 2>/dev/null)" ] && has_target "$sysroot/bin/rustc" &&
        compgen -G "$sysroot/lib/rustlib/*/bin/wasm-component-ld" >/dev/null
}
# Unpacks a wasi-libc in $1 without installing it: the system's own packages stay as they are. The rest is for apt.
unpack_libc() { (cd "$1" && apt-get "${@:2}" -q download wasi-libc && dpkg-deb -x ./wasi-libc_*.deb .); }

assemble() { # runs in a subshell, with the lock held
    # Debian's compiler comes without the two wasm linkers. rustup's host toolchain has them.
    host=$(rustc -vV | sed -n 's/^host: //p') && command -v cargo >/dev/null || die "no rustc or no cargo: install rustup"
    linkers=$(rustc --print sysroot)/lib/rustlib/$host/bin
    [ -x "$linkers/rust-lld" ] && [ -x "$linkers/wasm-component-ld" ] || die "no rust-lld and wasm-component-ld in" \
        "$linkers: install Rust with rustup and have its rustc before $debian_rustc in PATH"
    rm -rf "$dir"/new.* # left by a run that was killed
    new=$dir/new.$$ work=$(mktemp -d) status=failed
    trap 'rm -rf "$new" "$work"; [ $status = made ] || say "error: no toolchain could be made from Debian packages, see" \
        "above. Where rustup can download, \"rustup target add $target\" does instead."' EXIT
    lib=$new/lib/rustlib/$target/lib newer=$work/newer own=$work/own
    mkdir -p "$new/"{bin,"lib/rustlib/$host"} "$lib/self-contained" "$work/src" "$own" "$newer"/{lists,cache/archives}/partial
    if [ "$(id -u)" = 0 ]; then
        apt-get -qq update
        installed >/dev/null || # --no-remove: rustc-web conflicts with Debian's rustc, which is not ours to take away
            DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends --no-remove \
                -o DPkg::Lock::Timeout=300 "${packages[@]}" </dev/null
    fi
    dpkg --compare-versions "$(dpkg-query -W -f '${Version}' rustc-web)" ge 1.88 ||
        die "$($debian_rustc -V) is too old (guests need 1.88): is the security suite among apt's sources?"

    # The newer suite is read from the mirror that apt is set up with, and by apt, which checks its signature.
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    mirror=$(apt-get --print-uris download wasi-libc | sed -n "s|^'\(.*\)/pool/.*|\1|p")
    echo "deb [signed-by=$keyring target=Packages] $mirror $suite main" >"$newer/sources.list"
    opts=(-o Dir::Etc::SourceList="$newer/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$newer/lists"
        -o Dir::Cache="$newer/cache" -o APT::Sandbox::User="$(id -un)") # or apt's own user could not write there
    libc=$newer/usr/lib/wasm32-wasip2
    if ! { apt-get "${opts[@]}" -qq update && unpack_libc "$newer" "${opts[@]}" && [ -e "$libc/libc.a" ]; }; then
        say "warning: no wasi-libc of $suite to be had, taking the one of this system's own suites"
        unpack_libc "$own"
        libc=$(compgen -G "$own/usr/lib/wasm32-wasip2" || echo "$own/usr/lib/wasm32-wasi")
    fi
    cp "$libc"/{libc.a,crt1-command.o,crt1-reactor.o} "$lib/self-contained/"

    say "building std for $target with $($debian_rustc -V)"
    # RUSTC_BOOTSTRAP allows -Z here, and only here: guests are built without it. Bitcode is what lets guests use `lto`.
    printf '[package]\nname="mkstd"\nedition="2021"\n[workspace]\n[profile.release]\npanic="abort"\n' >"$work/Cargo.toml"
    touch "$work/src/lib.rs"
    (cd "$work" && RUSTC=$debian_rustc RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes CARGO_TARGET_DIR=$work/t \
        cargo build -q --release --target $target -Zbuild-std=std,panic_abort)
    find "$work/t/$target/release/deps" -name 'lib*.rlib' ! -name 'libmkstd-*' -exec cp -t "$lib" {} +
    ln -s "$($debian_rustc --print target-libdir)" "$new/lib/rustlib/$host/lib" # for build scripts and macros
    ln -s "$linkers" "$new/lib/rustlib/$host/bin"
    printf '#!/bin/sh\nexec %s --sysroot %s "$@"\n' $debian_rustc "${sysroot@Q}" | install -m 755 /dev/stdin "$new/bin/rustc"
    echo 'fn main() { println!("it links") }' | $debian_rustc --sysroot "$new" --target $target -o "$work/try.wasm" -
    ! grep -q wasi_snapshot_preview1 "$work/try.wasm" ||
        echo "guests made with this libc carry the preview1 adapter and start slower" >"$new/warning"

    key >"$new/key"
    rm -rf "$sysroot"
    mv "$new" "$sysroot" # in one step at the end, so that what is there is whole
    status=made
    say "made $sysroot with $(cd "$work" && ls -- */wasi-libc_*.deb)"
}

# A calling cargo or make hands down its own toolchain, flags and target folder. None of them is meant for this.
for name in $(compgen -e); do
    case $name in
    RUSTC | RUSTC_* | *FLAGS | RUSTUP_TOOLCHAIN | CARGO_ENCODED_* | CARGO_TARGET_* | CARGO_BUILD_* | CARGO_PROFILE_* | \
        CARGO_UNSTABLE_* | CARGO_INCREMENTAL) unset "$name" ;;
    esac
done

if [ -n "${COFFERDAM_WASM_RUSTC:-}" ]; then
    mine=$(command -v "$COFFERDAM_WASM_RUSTC") || die "COFFERDAM_WASM_RUSTC=$COFFERDAM_WASM_RUSTC is not a program"
    has_target "$mine" || die "COFFERDAM_WASM_RUSTC=$mine has no std for $target: add it (rustup target add $target)," \
        "or unset the variable to have this script find a compiler"
    answer "$(realpath -s "$mine")" # -s: rustup's proxies are links that go by their own name
fi
cd "${script%/*}/.." # where rustup looks for the project's rust-toolchain.toml, if there is one
if has_target rustc; then answer "$(default_rustc)"; fi
if command -v apt-get >/dev/null && { [ "$(id -u)" = 0 ] || installed >/dev/null; }; then
    # A second run waits for the first and then finds the work done. 3>&-: no child may hold the answer's pipe.
    if ! ready; then mkdir -p "$dir" && (flock 9 && { ready || assemble; }) 9>"$dir/lock" 3>&-; fi
    [ ! -e "$sysroot/warning" ] || say "warning: $(cat "$sysroot/warning"). To try again: rm -r $dir"
    answer "$sysroot/bin/rustc"
fi
command -v rustup >/dev/null || die "no rustc for $target: install rustup and run 'rustup target add $target', or on" \
    "Debian run this as root, or set COFFERDAM_WASM_RUSTC"
rustup target add $target && has_target rustc || die "'rustup target add $target' did not help. See above, or set" \
    "COFFERDAM_WASM_RUSTC to a rustc that has the target"
answer "$(default_rustc)"
