#!/bin/bash
# The estate against an emulated account, with the real provider: base, runtime and a host are applied, looked at, and
# destroyed from the top down. A second plan must have nothing to do; each destruction must leave the account as it was
# before the apply. Ends with a table of times.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
here=$top/scripts/estate
directory=$top/target/estate/check
python=$top/target/estate-venv/bin/python
limit=300 # seconds that runtime may take to come

"$here/setup.sh"
echo "==> the account's own edges"
"$python" "$here/test_account.py"

rm -rf "$directory"
mkdir -p "$directory"
"$python" "$here/account.py" "$directory" >"$directory/account.log" 2>&1 &
account=$!
trap 'kill "$account" 2>/dev/null; wait "$account" 2>/dev/null || true' EXIT
for _ in $(seq 300); do
    [ -e "$directory/address" ] && break
    kill -0 "$account" || { cat "$directory/account.log" >&2; exit 1; }
    sleep 0.1
done
address=$(cat "$directory/address")
export AWS_ENDPOINT_URL=http://$address AWS_REGION=us-west-2
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_EC2_METADATA_DISABLED=true

inventory() { "$python" "$here/inventory.py" >"$directory/before.$1.json"; }
as_before() { # STEP: the account holds what it held before STEP was applied
    "$python" "$here/inventory.py" "$directory/before.$1.json" || {
        echo "check.sh: destroying $1 did not leave the account as it was" >&2
        exit 1
    }
}

times=()
apply() { # STEP WORDS…
    local started=$SECONDS step=$1
    shift
    echo "==> $*"
    "$here/apply.sh" "$step" "$directory"
    times+=("$(printf '%-58s %4d s' "$*" $((SECONDS - started)))")
    last=$((SECONDS - started))
}

inventory base
apply base "base: applied, state moved to its bucket, planned again"
"$python" "$here/test_estate.py" Base
inventory runtime
apply runtime "runtime: applied, planned again"
[ "$last" -lt "$limit" ] || { echo "check.sh: runtime took $last s, and is to take less than $limit" >&2; exit 1; }
"$python" "$here/test_estate.py" Runtime
inventory host
: >"$directory/calls"
apply host "host: applied"
cp "$directory/calls" "$directory/calls.host"
"$python" "$here/test_estate.py" Host
: >"$directory/calls"
apply no-host "host: destroyed"
cat "$directory/calls" >>"$directory/calls.host"
as_before host
echo "==> what was called for a host, against what the runner may"
CALLS=$directory/calls.host "$python" "$here/test_estate.py" Runner
apply no-runtime "runtime: destroyed"
as_before runtime
"$python" "$here/test_estate.py" Survivors
apply no-base "base: destroyed"
as_before base

echo
printf '%s\n' "${times[@]}"
