#!/bin/bash
# Builds what runs in AWS, static: `cloud.sh [ARCHITECTURE…]`, x86_64 and arm64 where none is named. It leaves
#   target/cloud/ARCHITECTURE/lambda.zip     the functions' one package (`bootstrap`)
#   target/cloud/ARCHITECTURE/treza-runner   the runner, for its image (scripts/runner-image.sh)
# and checks them. `cloud.sh check [ARCHITECTURE…]` only checks what is there: both are static, for that processor and start (arm64
# under QEMU), and the functions' program keeps its limit.
# For arm64 the C compiler is zig's, out of PyPI's ziglang: Debian has no musl for another machine.
set -euo pipefail
export LC_ALL=C
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
tools=(cargo-zigbuild==0.24.0 ziglang==0.15.2)
# The functions' program is smaller than this: a cold start reads all of it.
too_many_bytes=12000000
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
work=$(mktemp -d "${TMPDIR:-/tmp}/treza-cloud.XXXXXX")
trap 'rm -rf "$work"' EXIT

fail() { echo "cloud.sh: $*" >&2; exit 1; }

choose() { # ARCHITECTURE: how it is built, what readelf calls it, and what runs it here
    architecture=$1 output=target/cloud/$1
    case $architecture in
    x86_64) target=x86_64-unknown-linux-musl machine=X86-64 build=(cargo build) run=() packages=(musl-tools) ;;
    arm64) target=aarch64-unknown-linux-musl machine=AArch64 build=(cargo zigbuild) run=(qemu-aarch64) packages=(python3-venv qemu-user) ;;
    *) fail "$architecture: write x86_64 or arm64" ;;
    esac
    scripts/packages.sh binutils "${packages[@]}"
}

get_zig() { # into target/cloud-tools, which then stands in PATH
    local folder=$top/target/cloud-tools
    if [ "$(cat "$folder/tools" 2>/dev/null)" != "${tools[*]}" ]; then
        echo "==> into target/cloud-tools: ${tools[*]}"
        rm -rf "$folder"
        python3 -m venv "$folder"
        "$folder/bin/pip" install --quiet --disable-pip-version-check "${tools[@]}"
        echo "${tools[*]}" >"$folder/tools"
    fi
    export PATH=$folder/bin:$PATH
}

build() {
    local made=target/$target/cloud
    [ "$architecture" = x86_64 ] || get_zig
    scripts/rust.sh "$target"
    echo "==> building treza-lambda and treza-runner ($target)"
    CARGO_ENCODED_RUSTFLAGS=$(scripts/remap.sh) \
        "${build[@]}" --quiet --locked --profile cloud --target "$target" -p provisioner --bin treza-lambda --bin treza-runner
    mkdir -p "$output"
    cp "$made/treza-runner" "$output/treza-runner"
    # The same program gives the same package.
    python3 - "$made/treza-lambda" "$output/lambda.zip" <<'PYTHON'
import sys, zipfile
source, output = sys.argv[1:]
entry = zipfile.ZipInfo("bootstrap", (1980, 1, 1, 0, 0, 0))
entry.external_attr = 0o755 << 16
entry.compress_type = zipfile.ZIP_DEFLATED
with zipfile.ZipFile(output, "w") as package, open(source, "rb") as program:
    package.writestr(entry, program.read(), compresslevel=9)
PYTHON
}

is_static() { # PROGRAM: for this architecture, and asks for no loader and no library
    readelf --file-header "$1" | grep -q "Machine:.*$machine" || fail "$1 is not for $architecture"
    ! readelf --program-headers "$1" | grep -q INTERP || fail "$1 is not static: it asks for a loader"
    ! readelf --dynamic "$1" | grep NEEDED >&2 || fail "$1 is not static: it asks for libraries"
}

check() {
    local bootstrap=$work/$architecture/bootstrap runner=$output/treza-runner size said
    [ -e "$output/lambda.zip" ] && [ -e "$runner" ] || fail "$output is not complete: run scripts/cloud.sh $architecture"
    python3 -m zipfile --extract "$output/lambda.zip" "$work/$architecture"
    chmod 0755 "$bootstrap"
    is_static "$bootstrap"
    is_static "$runner"
    size=$(stat -c %s "$bootstrap")
    [ "$size" -lt "$too_many_bytes" ] || fail "$output/lambda.zip: bootstrap has $size bytes, and must have less than $too_many_bytes"
    # A handler that is none is refused by name: the program has started and read its settings.
    ! said=$(env -i _HANDLER=none "${run[@]}" "$bootstrap" 2>&1) && grep -q 'handler is .*none.* must be one of trigger' <<<"$said" ||
        fail "$output/lambda.zip: bootstrap does not start: $said"
    said=$("${run[@]}" "$runner" --version)
    [ "$said" = "treza-runner $version" ] || fail "$runner says it is $said, and Cargo.toml $version: build it again"
    printf '%-8s %-14s %9s bytes\n' "$architecture" treza-lambda "$size" "" lambda.zip "$(stat -c %s "$output/lambda.zip")" \
        "" treza-runner "$(stat -c %s "$runner")"
}

steps=(build check)
[ "${1:-}" != check ] || { steps=(check); shift; }
[ $# -gt 0 ] || set -- x86_64 arm64
for name in "$@"; do
    choose "$name"
    for step in "${steps[@]}"; do "$step"; done
done
