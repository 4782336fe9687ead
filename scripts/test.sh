#!/bin/bash
# Every test, with real boots: what `make test` runs once programs, bundle and image are there. It fetches what only
# tests need (an emulated account, and libraries for a second verifier of documents, into Python environments in target)
# and builds the example program that they launch.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
export TREZA_BUNDLES=$top/target/bundles

if [ -z "${TREZA_KERNEL:-}" ]; then
    for kind in treza debian; do
        TREZA_KERNEL=$top/target/kernel/$kind/bzImage
        [ -e "$TREZA_KERNEL" ] && break
    done
    export TREZA_KERNEL
fi
echo "==> kernel: $TREZA_KERNEL"

# An emulated account, and what the second verifier of documents stands on.
scripts/python.sh estate-venv scripts/estate/requirements.txt
scripts/python.sh venv attestation/tests/differential/requirements.txt

echo "==> the host's package"
scripts/package.sh check

echo "==> the example program that uses /dev/nsm"
scripts/agent.sh --example nsm-probe

echo "==> the verifier of documents for wasm32, with cryptography in pure Rust"
scripts/rust.sh wasm32-unknown-unknown
cargo build --release --target wasm32-unknown-unknown -p attestation --no-default-features --features rustcrypto

echo "==> every test"
# The attestation library by itself: its tests hold a second provider of cryptography against the first, and all that
# stands on it would be built again with both.
cargo test --release -p attestation
cargo test --release --workspace --exclude attestation
