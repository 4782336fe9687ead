#!/bin/bash
# Builds what runs in AWS, static: `cloud.sh [x86_64|arm64]`. It leaves
#   target/cloud/ARCHITECTURE/lambda.zip     the functions' one package (`bootstrap`)
#   target/cloud/ARCHITECTURE/treza-runner   the runner, for its image (scripts/runner-image.sh)
# For arm64 the C compiler is zig's, out of PyPI's ziglang: Debian has no musl for another machine.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
case ${1:-x86_64} in
    x86_64)
        architecture=x86_64 target=x86_64-unknown-linux-musl build=(cargo build)
        scripts/packages.sh musl-tools
        ;;
    arm64)
        architecture=arm64 target=aarch64-unknown-linux-musl build=(cargo zigbuild)
        tools=$top/target/cloud-tools
        [ -x "$tools/bin/cargo-zigbuild" ] || {
            echo "==> installing cargo-zigbuild and zig into target/cloud-tools"
            scripts/packages.sh python3-venv
            python3 -m venv "$tools"
            "$tools/bin/pip" install --quiet cargo-zigbuild==0.20.1 ziglang==0.13.0
        }
        export PATH=$tools/bin:$PATH
        ;;
    *) echo "cloud.sh: $1: write x86_64 or arm64" >&2; exit 1 ;;
esac
scripts/rust.sh "$target"
echo "==> building treza-lambda and treza-runner ($target)"
"${build[@]}" --quiet --locked --profile cloud --target "$target" -p provisioner --bin treza-lambda --bin treza-runner
made=target/$target/cloud output=target/cloud/$architecture
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
printf '%-16s %9s bytes\n' treza-lambda "$(stat -c %s "$made/treza-lambda")" lambda.zip "$(stat -c %s "$output/lambda.zip")" \
    treza-runner "$(stat -c %s "$output/treza-runner")"
