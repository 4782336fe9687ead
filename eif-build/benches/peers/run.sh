#!/bin/bash
# treza-eif beside aws-nitro-enclaves-image-format, the library of nitro-cli: what is equal, time and memory, as a table.
#   run.sh [MEGABYTES…]      sizes of the application's ramdisk: 200 800 4096
# It needs OpenSSL's headers (Debian: libssl-dev), for the peer, and three times the largest size in TMPDIR. The EIFs that the peer wrote
# are looked at where TREZA_VECTORS names them. Run it on a calm machine: a limit is a ratio, but of wall clocks.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$here/../../..
[ $# != 0 ] || set -- 200 800 4096
# The whole workspace's features: what `make programs` has built is not built anew.
cargo build --quiet --release --manifest-path "$top/Cargo.toml" --workspace --bin treza-eif
cargo build --quiet --release --manifest-path "$here/Cargo.toml"
TREZA_EIF=$(realpath "$top/target/release/treza-eif") exec "$here/target/release/compare" "$@"
