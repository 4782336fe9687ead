#!/bin/sh
# Makes the bundle of a kernel and the agent, and makes it the default of a folder: `bundle.sh [treza|debian [FOLDER]]`.
set -eu
kind=${1:-treza}
top=$(cd "$(dirname "$0")/.." && pwd)
bundles=${2:-$top/target/bundles}
kernel=$top/target/kernel/$kind
set -- --kernel "$kernel/bzImage" --cmdline "$(cat "$kernel/cmdline")" --machine "$(cat "$kernel/machine")" \
    --agent "$top/target/x86_64-unknown-linux-musl/agent/treza-agent"
for module in "$kernel"/modules/*.ko; do
    [ -e "$module" ] && set -- "$@" --module "$module"
done
"$top/target/release/treza-eif" bundle create --bundles "$bundles" --default "$@"
