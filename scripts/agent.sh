#!/bin/sh
# Builds the agent, static, or what is built as it is: `agent.sh CARGO-ARGUMENT…`. The same sources and toolchain give the same
# bytes in any folder (scripts/reproduce.sh shows it).
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
CARGO_ENCODED_RUSTFLAGS=$(scripts/remap.sh)
export CARGO_ENCODED_RUSTFLAGS
exec cargo build --profile agent --target x86_64-unknown-linux-musl --package enclave-agent "$@"
