#!/bin/bash
# The benchmarks, and a table at the end: what, value, limit, met or not. Times depend on the machine and on what else it does, so the
# limits are ratios of medians of one run, but for the pipeline's own two seconds and the trigger's. Run it on a calm machine.
# ROUNDS: how many boots of each kind (7). DEPLOYMENTS: how many rows (7). PEER=install fetches and builds vhost-device-vsock. The trigger
# is that of the functions' package where this was built (make cloud), else of the programs. PARTS: some of "boot pipeline vsock trigger".
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
export PATH=$top/target/release:$top/target/bench-tools/bin:$PATH TREZA_BUNDLES=$top/target/bundles NO_COLOR=1
export TREZA_KERNEL=$top/target/kernel/treza/bzImage
[ -e "$TREZA_KERNEL" ] || { echo "bench.sh: $TREZA_KERNEL is missing: run make bundle" >&2; exit 1; }
"$top/scripts/packages.sh" docker-registry skopeo umoci
rounds=${ROUNDS:-7} deployments=${DEPLOYMENTS:-7}
work=$(mktemp -d "${TMPDIR:-/tmp}/treza-bench.XXXXXX")
export TREZA_STATE_DIR=$work/state XDG_CACHE_HOME=$work/cache
registry=
table=()

finish() {
    code=$?
    set +e
    treza local down >/dev/null 2>&1
    [ -z "$registry" ] || { kill "$registry" 2>/dev/null; wait "$registry" 2>/dev/null; }
    rm -rf "$work"
    exit $code
}
trap finish EXIT
trap 'exit 130' INT TERM

report() { # WHAT VALUE LIMIT UNIT at-most|at-least|shown: a line of the table
    local met=-
    case $5 in
        at-most) met=$(awk -v a="$2" -v b="$3" 'BEGIN { print (a <= b ? "met" : "NOT MET") }') ;;
        at-least) met=$(awk -v a="$2" -v b="$3" 'BEGIN { print (a >= b ? "met" : "NOT MET") }') ;;
    esac
    table+=("$(printf '%-62s %8s %-3s %-12s %s' "$1" "$2" "$4" "${3:+$5 $3}" "$met")")
}
# With the workspace's features, as `make programs` builds: with one package's own, all that it stands on would be built again.
bench() { cargo bench --quiet --workspace --exclude attestation --bench "$1" -- "${@:2}"; }
ratio() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", a / b }'; }
median() { sort -n | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'; }

# The least that boots: our kernel and a static process 1 that sends the heartbeat; and the least that is an image.
make_eifs() {
    local kernel=$top/target/kernel/treza guest=$work/guest layout=$work/small
    rustc --edition 2024 --target x86_64-unknown-linux-musl -O -C strip=symbols -o "$guest" "$top/emulator/tests/guest/bare.rs"
    treza-eif bundle create --bundles "$work/bare" --kernel "$TREZA_KERNEL" --cmdline "$(cat "$kernel/cmdline")" \
        --machine "$(cat "$kernel/machine")" --agent "$guest" >/dev/null
    treza-eif build --kernel "$TREZA_KERNEL" --cmdline "$(cat "$kernel/cmdline")" --ramdisk "$work"/bare/*/boot.cpio \
        --output "$work/bare.eif" >/dev/null
    tar -C "$work" --owner=0 --group=0 --numeric-owner -cf "$work/layer.tar" guest
    umoci init --layout "$layout"
    umoci new --image "$layout:latest"
    umoci raw add-layer --image "$layout:latest" "$work/layer.tar"
    umoci config --image "$layout:latest" --config.entrypoint /guest --config.cmd wait
    treza-eif build --image "oci:$layout:latest" --output "$work/small.eif" >/dev/null
    treza-eif build --image "oci:$top/target/images/nginx:debian" --output "$work/nginx.eif" >/dev/null
}

boot() {
    echo "==> images"
    make_eifs
    echo "==> exec of QEMU to attested, $rounds rounds"
    bench boot "$rounds" "$work/bare.eif" "$work/small.eif" "$work/nginx.eif" \
        | tee "$work/boot"
    local bare small nginx
    { read -r _ bare && read -r _ small && read -r _ nginx; } < "$work/boot"
    report "exec of QEMU to heartbeat, bare init" "$bare" "" ms shown
    report "exec of QEMU to attested, small image" "$small" "" ms shown
    report "    ratio to the bare init" "$(ratio "$small" "$bare")" 1.50 "" at-most
    report "exec of QEMU to attested, nginx ($(($(stat -c %s "$work/nginx.eif") >> 20)) MiB)" "$nginx" "" ms shown
    report "    ratio to the bare init" "$(ratio "$nginx" "$bare")" "" "" shown
}

# Milliseconds since the epoch of the daemon's last line with such a WORD for the row ID.
logged() { # WORD ID
    date -d "$(grep -E " $1 .*id=$2( |\$)" "$TREZA_STATE_DIR/host.log" | tail -n 1 | cut -d ' ' -f 1)" +%s%3N
}
deploy() { # ID: milliseconds from the row written to DEPLOYED, and of these QEMU's from running to attested
    local total
    total=$(treza deploy --id "$1" --image "$image" --wait | awk '$2 == "s" && $3 == "DEPLOYED" { print int($1 * 1000) }')
    echo "$total $(($(logged attested "$1") - $(logged launched "$1")))"
    treza destroy "$1" --wait >/dev/null
}
pipeline() {
    echo "==> row written to DEPLOYED, $deployments rows of a cached image"
    "$top/scripts/registry.sh" "$work/registry" &
    registry=$!
    for _ in $(seq 100); do [ -e "$work/registry/address" ] && break; sleep 0.1; done
    image=$(cat "$work/registry/address")/nginx:debian
    skopeo copy --quiet --dest-tls-verify=false "oci:$top/target/images/nginx:debian" "docker://$image"
    treza local up --dynamodb-port 0 >/dev/null
    deploy first >/dev/null
    for at in $(seq "$deployments"); do deploy "row-$at"; done | tee "$work/deployments"
    report "row written to DEPLOYED, nginx, cached" "$(cut -d ' ' -f 1 "$work/deployments" | median)" "" ms shown
    report "    less boot (QEMU runs to attested)" "$(awk '{ print $1 - $2 }' "$work/deployments" | median)" 2000 ms at-most
}

vsock() {
    if [ "${PEER:-}" = install ] && ! command -v vhost-device-vsock >/dev/null; then
        cargo install --quiet --locked --root "$top/target/bench-tools" vhost-device-vsock
    fi
    echo "==> vsock each way"
    bench vsock | tee "$work/vsock"
    # size, ours, ratio, "x"; then the other way: ours, ratio, "x". The ratios stand only where there is a peer.
    local worst
    worst=$(awk '$4 == "x" { print $3; print $6 }' "$work/vsock" | sort -n | head -n 1)
    report "vsock: 64 MiB each way, writes of 1 B to 256 KiB, no stall" yes "" "" shown
    if [ -n "$worst" ]; then
        report "vsock: least ratio to vhost-device-vsock, writes to 32 KiB" "$worst" 1.00 "" at-least
    else
        report "vsock: ratio to vhost-device-vsock (PEER=install builds it)" none "" "" shown
    fi
}

# The functions' program as Lambda gets it, out of its package.
trigger() {
    local package=$top/target/cloud/x86_64/lambda.zip kind="of the programs"
    if [ -e "$package" ]; then
        kind=static
        python3 -m zipfile --extract "$package" "$work/functions"
        chmod 0755 "$work/functions/bootstrap"
        export TREZA_LAMBDA=$work/functions/bootstrap
    fi
    echo "==> the trigger under a Runtime API, on one core: $kind"
    bench trigger | tee "$work/trigger"
    measured() { sed -n "s/^$1 //p" "$work/trigger"; }
    if [ "$kind" = static ]; then
        report "functions' program, static" "$(measured size-bytes)" 12000000 B at-most
    else
        report "functions' program: make cloud builds the static one" "$(measured size-bytes)" "" B shown
    fi
    report "trigger: cold start, exec to the first event asked for" "$(measured cold-start)" 50 ms at-most
    report "trigger: records a second on one core" "$(measured throughput)" 1000 "" at-least
    report "trigger: record to StartExecution at 1,000/s, 99th percentile" "$(measured p99)" 250 ms at-most
}

for part in ${PARTS:-boot pipeline vsock trigger}; do "$part"; done
printf '\n%-62s %12s %-12s %s\n' what value limit met
printf '%s\n' "${table[@]}"
case "${table[*]}" in *"NOT MET"*) exit 1 ;; esac
