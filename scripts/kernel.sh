#!/bin/sh
# Brings the enclave's kernel to target/kernel/<treza|debian>: bzImage, cmdline, machine, and its modules.
#   treza   our own, from Debian's linux-source-6.12 and kernel/enclave.config (some minutes, once; JOBS at a time)
#   debian  Debian's cloud kernel, unpacked and not installed (quick; for laptops, not for Nitro hardware)
# `kernel.sh check` says whether docs/kernel.md explains every option of ours, with the value that it has.
set -eu
kind=${1:-treza}
top=$(cd "$(dirname "$0")/.." && pwd)
out=$top/target/kernel/$kind
# What was built once serves every checkout of this user.
cache=${XDG_CACHE_HOME:-$HOME/.cache}/treza/kernel
config=$top/kernel/enclave.config
# The kernel's own words; what is needed on this machine the emulator adds by itself.
cmdline='console=ttyS0 reboot=k panic=-1 quiet loglevel=3 random.trust_cpu=on'

begin() { # $1: what it is made from; ends the script if that is cached already
    stamp=$(printf '%s' "$1" | sha256sum | cut -c1-32)
    kept=$cache/$kind-$stamp
    [ ! -e "$kept/bzImage" ] || deliver
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/work.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    mkdir "$work/out" "$work/source"
}
finish() { # $1: how the kernel finds its devices; the result appears whole
    printf '%s' "$cmdline" > "$work/out/cmdline"
    printf '%s' "$1" > "$work/out/machine"
    rm -rf "$kept"
    mv "$work/out" "$kept"
    deliver
}
deliver() {
    rm -rf "$out" && mkdir -p "$(dirname "$out")" && cp -r "$kept" "$out"
    echo "==> kernel: target/kernel/$kind/bzImage ($(wc -c < "$out/bzImage") bytes)"
    exit 0
}

case $kind in
treza)
    package=linux-source-6.12
    # Built once is built: a newer source package alone rebuilds nothing; the configuration does.
    begin "$(cat "$config" "$top/scripts/kernel.sh")"
    "$top/scripts/packages.sh" "$package" build-essential flex bison bc libelf-dev libssl-dev xz-utils
    version=$(dpkg-query -W -f '${Version}' "$package")
    jobs=${JOBS:-$(nproc)}
    echo "==> unpacking $package $version"
    tar -xf "/usr/src/$package.tar.xz" -C "$work/source" --strip-components=1
    cd "$work/source"
    # The same bytes from the same source, wherever and whenever they are built.
    export KBUILD_BUILD_TIMESTAMP='1970-01-01 00:00:00 UTC' KBUILD_BUILD_USER=treza KBUILD_BUILD_HOST=treza LC_ALL=C
    # The kernel names its source in its own bytes, for whoever must build it again: `file bzImage`, /proc/version.
    export KBUILD_BUILD_VERSION=1 KBUILD_BUILD_VERSION_TIMESTAMP="Debian $version"
    make -s tinyconfig
    cp "$config" "$work/enclave.config" # the script takes no path with a space in it
    ./scripts/kconfig/merge_config.sh -m .config "$work/enclave.config" >/dev/null
    make -s olddefconfig
    find . -name 'Kconfig*' -exec sed -n 's/^[ \t]*\(menu\)\{0,1\}config[ \t]*\([A-Za-z0-9_]*\).*/CONFIG_\2/p' {} + > "$work/options"
    while IFS= read -r line; do # every option of ours must be one of this kernel's, and have survived
        case $line in
        CONFIG_*) grep -qxF "${line%%=*}" "$work/options" || { echo "kernel.sh: this kernel has no ${line%%=*}" >&2; exit 1; } ;;
        esac
        case $line in
        CONFIG_*=n) ! grep -q "^${line%=n}=" .config || { echo "kernel.sh: ${line%=n} stays on" >&2; exit 1; } ;;
        CONFIG_*) grep -qxF "$line" .config || { echo "kernel.sh: $line was dropped" >&2; exit 1; } ;;
        esac
    done < "$config"
    echo "==> building the kernel ($jobs at a time; some minutes, once)"
    make -s -j"$jobs" bzImage > "$work/build.log" 2>&1 || { tail -n 30 "$work/build.log" >&2; exit 1; }
    cp arch/x86/boot/bzImage "$work/out/bzImage"
    cp .config "$work/out/config"
    { # what the bytes depend on
        echo "$package $version"
        sha256sum "/usr/src/$package.tar.xz"
        gcc --version | head -n 1
        ld --version | head -n 1
        gzip --version | head -n 1
    } > "$work/out/source"
    finish cmdline
    ;;
debian)
    meta=linux-image-6.12-cloud-amd64
    apt-cache show "$meta" >/dev/null 2>&1 || meta=linux-image-cloud-amd64
    package=$(apt-cache depends --no-recommends --no-suggests "$meta" | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
    [ -n "$package" ] || { echo "kernel.sh: apt knows no $meta; run apt-get update" >&2; exit 1; }
    version=$(apt-cache policy "$package" | sed -n 's/^ *Candidate: //p')
    begin "$package $version $(cat "$top/scripts/kernel.sh")"
    "$top/scripts/packages.sh" xz-utils
    mkdir "$work/out/modules" "$work/package"
    echo "==> fetching $package $version"
    (cd "$work" && apt-get download -qq "$package" && dpkg-deb -x ./*.deb package)
    cp "$work"/package/boot/vmlinuz-* "$work/out/bzImage"
    at=0
    for module in vsock vmw_vsock_virtio_transport_common vmw_vsock_virtio_transport virtio_mmio fuse cuse nsm; do
        found=$(find "$work/package" -name "$module.ko" -o -name "$module.ko.xz" | head -n 1)
        [ -n "$found" ] || continue # built in
        at=$((at + 1))
        case $found in
        *.xz) xz -dc "$found" > "$work/out/modules/$(printf %02d $at)-$module.ko" ;;
        *) cp "$found" "$work/out/modules/$(printf %02d $at)-$module.ko" ;;
        esac
    done
    finish acpi
    ;;
check)
    rows=$(sed -n 's/^| `\([A-Z0-9_]*\)` | \([^ |]*\) |.*/CONFIG_\1=\2/p' "$top/docs/kernel.md" | LC_ALL=C sort)
    if ! grep '^CONFIG_' "$config" | LC_ALL=C sort | diff /dev/fd/3 - 3<<ROWS
$rows
ROWS
    then
        echo "kernel.sh: docs/kernel.md (<) and kernel/enclave.config (>) differ: each option has one row, with its value" >&2
        exit 1
    fi
    ;;
*) echo "usage: kernel.sh treza|debian|check" >&2; exit 2 ;;
esac
