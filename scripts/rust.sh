#!/bin/sh
# Checks the Rust toolchain and adds the target that the agent is built for, and the targets that are named.
set -eu
command -v cargo >/dev/null || { echo "rust.sh: no cargo; install Rust with rustup (https://rustup.rs)" >&2; exit 1; }
for target in x86_64-unknown-linux-musl "$@"; do
    [ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ] && continue
    command -v rustup >/dev/null || { echo "rust.sh: the target $target is missing and there is no rustup to add it" >&2; exit 1; }
    echo "==> adding the Rust target $target"
    rustup target add "$target"
done
