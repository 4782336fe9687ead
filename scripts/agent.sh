#!/bin/sh
# Builds the agent, static, or what is built as it is: `agent.sh CARGO-ARGUMENT…`. The same sources and toolchain give the same
# bytes in any folder: where sources lie on this machine is nothing to the bytes (scripts/reproduce.sh shows it).
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
export CARGO_ENCODED_RUSTFLAGS="$flags"
exec cargo build --profile agent --target x86_64-unknown-linux-musl --package enclave-agent "$@"
