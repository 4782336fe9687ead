#!/bin/sh
# Prints flags for rustc, as CARGO_ENCODED_RUSTFLAGS takes them, under which it is nothing to the bytes where sources lie on this
# machine.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
cargo fetch --quiet --locked # so that every folder of sources is there to be named below
separator=$(printf '\037')
flags="--remap-path-prefix=$top=/treza"
flags="$flags$separator--remap-path-prefix=$(rustc --print sysroot)/lib/rustlib/src/rust=/rustc/$(rustc --version --verbose | sed -n 's/^commit-hash: //p')"
for sources in "${CARGO_HOME:-$HOME/.cargo}"/registry/src/*; do
    flags="$flags$separator--remap-path-prefix=$sources=/registry"
done
printf '%s\n' "$flags"
