#!/bin/bash
# The whole trip on this machine, step by step: a registry, the local pipeline, one row, an attested enclave, a client's
# verification, pause, resume, destroy. It keeps nothing: state and registry live in a folder that goes at the end.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
export PATH=$top/target/release:$PATH TREZA_BUNDLES=${TREZA_BUNDLES:-$top/target/bundles}
work=$(mktemp -d "${TMPDIR:-/tmp}/treza-demo.XXXXXX")
export TREZA_STATE_DIR=$work/state XDG_CACHE_HOME=$work/cache
id=demo-nginx
registry=
names=() times=()

finish() {
    code=$?
    set +e
    if [ $code != 0 ]; then
        echo; echo "The demo failed (exit $code). Last lines of the logs:"
        tail -n 15 "$TREZA_STATE_DIR"/*.log 2>/dev/null
    fi
    treza local down >/dev/null 2>&1
    [ -z "$registry" ] || { kill "$registry" 2>/dev/null; wait "$registry" 2>/dev/null; }
    rm -rf "$work"
    exit $code
}
trap finish EXIT
trap 'exit 130' INT TERM

step() { # NAME COMMAND…: says what runs, runs it, keeps its time
    local name=$1 start=$EPOCHREALTIME
    shift
    printf '\n==> %s\n' "$name"
    "$@"
    local took=$(((${EPOCHREALTIME/./} - ${start/./}) / 1000))
    names+=("$name") times+=("$took")
    printf '    (%d.%03d s)\n' $((took / 1000)) $((took % 1000))
}
refused() { # a command that must be refused: exit 2
    local code=0
    "$@" || code=$?
    [ $code = 2 ] || { echo "expected exit 2, got $code"; return 1; }
    echo "    refused, exit 2, as it must be"
}
row() { treza status "$id" --json; }
field() { row | python3 -c 'import json,sys
value = json.load(sys.stdin)
for key in sys.argv[1].split("."): value = value[int(key) if key.isdigit() else key]
print(value)' "$1"; }

start_registry() {
    "$top/scripts/registry.sh" "$work/registry" &
    registry=$!
    for _ in $(seq 100); do [ -e "$work/registry/address" ] && break; sleep 0.1; done
    address=$(cat "$work/registry/address")
    echo "    a registry at $address"
}
push_image() {
    skopeo copy --quiet --dest-tls-verify=false "oci:$top/target/images/nginx:debian" "docker://$address/nginx:debian"
    digest=$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$address/nginx:debian")
    echo "    $address/nginx:debian is $digest"
}
pipeline_up() { treza local up --dynamodb-port 0; root=$TREZA_STATE_DIR/ca/dev-root.pem; }
deploy() { treza deploy --id "$id" --image "$address/nginx:debian" --wait; }
fetch_page() {
    local endpoint
    endpoint=$(field endpoints.0.address)
    echo "    http://$endpoint/"
    curl --silent --show-error --fail --max-time 20 "http://$endpoint/" | grep -i '<title>'
}
verify() { treza verify "$id" --image "$address/nginx@$digest" --trust-root "$root"; }
verify_without_root() { refused treza verify "$id" --image "$address/nginx@$digest"; }
verify_without_expectation() { refused treza verify "$id" --trust-root "$root"; }
enclave_processes() { pgrep -f "$TREZA_STATE_DIR/host/enclaves" || true; }
pause() {
    before=$(field expected.imageDigest)/$(field expected.bundle)
    evidence=$(field attestation.document)
    treza pause "$id" --wait
    [ -z "$(enclave_processes)" ] || { echo "a process of it is left:"; enclave_processes; return 1; }
    echo "    no process of it is left"
}
resume() {
    treza resume "$id" --wait
    [ "$before" = "$(field expected.imageDigest)/$(field expected.bundle)" ] || { echo "another image or bundle"; return 1; }
    [ "$evidence" != "$(field attestation.document)" ] || { echo "the same evidence as before"; return 1; }
    echo "    new evidence, the same image digest and bundle"
}
destroy() {
    treza destroy "$id" --wait
    [ -z "$(enclave_processes)" ] || { echo "a process of it is left:"; enclave_processes; return 1; }
    local left
    left=$(find "$TREZA_STATE_DIR/host/enclaves" -mindepth 1 2>/dev/null || true)
    [ -z "$left" ] || { printf 'left behind:\n%s\n' "$left"; return 1; }
    echo "    no process, socket or temporary file of it is left"
}

step "Registry: Debian's docker-registry on a free port" start_registry
step "Image: Debian's nginx, pushed" push_image
step "Pipeline: DynamoDB, pipeline and host daemon" pipeline_up
step "Deploy: one row, to an attested enclave" deploy
step "Page: nginx answers through the ingress" fetch_page
step "Verify: as a client, the image measured here" verify
step "Verify without the development root" verify_without_root
step "Verify without an expectation" verify_without_expectation
step "Pause" pause
step "Resume: new evidence" resume
step "Verify again" verify
step "Destroy" destroy
step "Pipeline down" treza local down

printf '\n%-52s %10s\n' step seconds
for at in "${!names[@]}"; do
    printf '%-52s %6d.%03d\n' "${names[$at]}" $((times[at] / 1000)) $((times[at] % 1000))
done
