#!/bin/sh
# Brings the enclave's kernel to target/kernel/<treza|debian>: bzImage, cmdline, machine, and its modules.
#   treza   our own, from Debian's linux-source-6.12 and kernel/enclave.config (some minutes, once)
#   debian  Debian's cloud kernel, unpacked and not installed (quick; for laptops, not for Nitro hardware)
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
    echo "==> unpacking $package"
    tar -xf "/usr/src/$package.tar.xz" -C "$work/source" --strip-components=1
    cd "$work/source"
    # The same bytes from the same source, wherever and whenever they are built.
    export KBUILD_BUILD_TIMESTAMP='1970-01-01 00:00:00 UTC' KBUILD_BUILD_USER=treza KBUILD_BUILD_HOST=treza
    export KBUILD_BUILD_VERSION=1 LC_ALL=C
    make -s tinyconfig
    ./scripts/kconfig/merge_config.sh -m .config "$config" >/dev/null
    make -s olddefconfig
    while IFS= read -r line; do # every option of ours must have survived
        case $line in
        CONFIG_*=n) ! grep -q "^${line%=n}=" .config || { echo "kernel.sh: ${line%=n} stays on" >&2; exit 1; } ;;
        CONFIG_*) grep -qxF "$line" .config || { echo "kernel.sh: $line was dropped" >&2; exit 1; } ;;
        esac
    done < "$config"
    echo "==> building the kernel ($(nproc) cores; some minutes, once)"
    make -s -j"$(nproc)" bzImage > "$work/build.log" 2>&1 || { tail -n 30 "$work/build.log" >&2; exit 1; }
    cp arch/x86/boot/bzImage "$work/out/bzImage"
    cp .config "$work/out/config"
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
*) echo "usage: kernel.sh treza|debian" >&2; exit 2 ;;
esac
