#!/bin/bash
# Builds the runner's image without a Docker engine: `runner-image.sh OUTPUT`, an OCI layout (OUTPUT:runner). Terraform is the one in PATH, its
# AWS provider that of the mirror or the registry which Terraform itself uses. The runner must be built (scripts/cloud.sh).
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
output=$(realpath -m "${1:?runner-image.sh OUTPUT}")
runner=$top/target/cloud/x86_64/treza-runner
[ -e "$runner" ] || { echo "runner-image.sh: $runner is missing: run scripts/cloud.sh" >&2; exit 1; }
command -v terraform >/dev/null || { echo "runner-image.sh: no terraform in PATH: install Terraform 1.11 or later" >&2; exit 1; }
"$top/scripts/packages.sh" buildah ca-certificates
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT

mkdir "$context/tmp" "$context/host"
chmod 1777 "$context/tmp"
cp "$runner" "$context/treza-runner"
cp "$(command -v terraform)" "$context/terraform"
cp /etc/ssl/certs/ca-certificates.crt "$context/"
tar -C "$top/terraform/host" --exclude .terraform --exclude tests -cf - . | tar -C "$context/host" -xf -
TF_DATA_DIR=$context/data terraform -chdir="$context/host" init -backend=false -input=false >/dev/null
mv "$context/data/providers" "$context/providers"
cat > "$context/terraform.tfrc" <<'TFRC'
disable_checkpoint = true
provider_installation {
  filesystem_mirror {
    path = "/usr/share/terraform/providers"
  }
}
TFRC
rm -rf "$output"
storage=$(mktemp -d)
trap 'rm -rf "$context" "$storage"' EXIT
buildah=(buildah --root "$storage/root" --runroot "$storage/run" --storage-driver vfs)
"${buildah[@]}" build --isolation chroot --quiet --tag runner --file "$top/provisioner/Dockerfile" "$context" >/dev/null
"${buildah[@]}" push --quiet runner "oci:$output:runner"
