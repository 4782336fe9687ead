#!/bin/bash
# The whole trip on an emulated estate, once programs and bundle are there: `trip.sh [SCENARIO…]`, without a name all of
# them. It applies terraform/base and terraform/runtime to an account without AWS, deploys rows there, and takes all down.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top"
scripts/estate/setup.sh
export TREZA_BUNDLES=${TREZA_BUNDLES:-$top/target/bundles}
cargo test --release --workspace --exclude attestation --test estate -- "$@"
