#!/bin/bash
# Every test, with real boots: what `make test` runs once programs, bundle and image are there. It fetches what only
# tests need (an S3 server, into a Python environment in target/venv) and builds the example program that they launch.
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

if [ ! -x target/venv/bin/moto_server ]; then
    echo "==> an S3 server for the tests: moto, into target/venv"
    rm -rf target/venv
    python3 -m venv target/venv
    target/venv/bin/pip install --quiet --disable-pip-version-check 'moto[server]'
fi

echo "==> the example program that uses /dev/nsm"
cargo build --profile agent --target x86_64-unknown-linux-musl -p enclave-agent --example nsm-probe

echo "==> the verifier of documents for wasm32, with cryptography in pure Rust"
scripts/rust.sh wasm32-unknown-unknown
cargo build --release --target wasm32-unknown-unknown -p attestation --no-default-features --features rustcrypto

echo "==> every test"
# The attestation library by itself: its tests hold a second provider of cryptography against the first, and all that
# stands on it would be built again with both.
cargo test --release -p attestation
cargo test --release --workspace --exclude attestation
