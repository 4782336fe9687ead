#!/bin/bash
# The runner's image, an OCI layout (FOLDER:runner), built without a Docker engine (buildah, as root).
#   runner-image.sh FOLDER         builds it there: of the same files the same bytes
#   runner-image.sh check FOLDER   builds it again and compares, looks at its files, and runs it as Fargate would, without a network
# The runner must be built (scripts/cloud.sh). Terraform is the one in PATH; its AWS provider comes from where scripts/estate/setup.sh
# says.
set -euo pipefail
export LC_ALL=C
top=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/treza-image.XXXXXX")
trap 'rm -rf "$work"' EXIT

fail() { echo "runner-image.sh: $*" >&2; exit 1; }

gather() { # CONTEXT: what the Dockerfile copies
    local context=$1 runner=$top/target/cloud/x86_64/treza-runner
    [ -e "$runner" ] || fail "$runner is missing: run scripts/cloud.sh x86_64"
    "$top/scripts/estate/setup.sh" terraform
    mkdir -p "$context/tmp" "$context/host"
    cp "$runner" "$(command -v terraform)" /etc/ssl/certs/ca-certificates.crt "$context/"
    tar -C "$top/terraform/host" --exclude .terraform --exclude .terraform.lock.hcl --exclude tests -cf - . | tar -C "$context/host" -xf -
    # It also writes .terraform.lock.hcl, by which the runner holds the provider to these very bytes.
    TF_CLI_CONFIG_FILE=$top/target/terraform.rc TF_DATA_DIR=$work/data \
        terraform -chdir="$context/host" init -backend=false -input=false -no-color >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; fail "terraform init of terraform/host failed"; }
    # Root's they would be in the way of the same scripts without it.
    chown -R --reference="$top/target" "$top/target/terraform.rc" "$top/target/terraform-plugins"
    # Of a mirror it makes links only.
    cp -rL "$work/data/providers" "$context/providers"
    rm -rf "$work/data"
    cat >"$context/terraform.tfrc" <<'TFRC'
disable_checkpoint = true
provider_installation {
  filesystem_mirror {
    path = "/usr/share/terraform/providers"
  }
}
TFRC
    # As this machine's umask and owners are nothing to the image.
    chmod -R u=rwX,go=rX "$context"
}

build() { # FOLDER
    "$top/scripts/packages.sh" buildah ca-certificates
    gather "$work/context"
    local buildah=(buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs)
    "${buildah[@]}" build --isolation chroot --timestamp 0 --quiet --tag runner --file "$top/provisioner/Dockerfile" "$work/context" >/dev/null
    [ ! -e "$1" ] || [ -e "$1/oci-layout" ] || fail "$1 is there, and is no image that could be replaced"
    rm -rf "$1"
    mkdir -p "$(dirname "$1")"
    "${buildah[@]}" push --quiet runner "oci:$1:runner"
    rm -rf "$work/context" "$work/storage" "$work/run"
}
digest() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["manifests"][0]["digest"])' "$1/index.json"; }

contained() { # WORD…: for scripts/container.py, with the image
    env -i TF_DATA_DIR=/tmp/data "$(command -v python3)" "$top/scripts/container.py" --offline --tmp "$work/tmp" \
        --entrypoint "${entrypoint:-}" "$work/bundle" "$@"
}
terraform_inside() { entrypoint=/usr/bin/terraform contained -chdir=/usr/share/treza/host "$@"; }

check() { # FOLDER
    local root said
    "$top/scripts/packages.sh" umoci binutils
    [ -e "$1/index.json" ] || fail "$1 is no image: run scripts/runner-image.sh $1"
    echo "==> built again"
    (
        umask 077
        export TZ=Asia/Tokyo
        build "$work/again"
    )
    [ "$(digest "$1")" = "$(digest "$work/again")" ] || fail "the image differs: $(digest "$1"), and built again $(digest "$work/again")"
    rm -rf "$work/again"

    echo "==> what is in it"
    umoci unpack --image "$1:runner" "$work/bundle"
    root=$work/bundle/rootfs
    ! find "$root" ! -type l \( ! -user 0 -o ! -group 0 -o -perm /6022 \) ! -path "$root/tmp" | grep . >&2 ||
        fail "that belongs to another user than root, can be written by one, or gives rights"
    ! find "$root/usr" -type f -perm /111 -exec sh -c 'readelf --program-headers "$1" 2>/dev/null | grep -q INTERP && echo "$1"' sh {} \; | grep . >&2 ||
        fail "there is no loader in the image, and that asks for one"

    echo "==> run as its user, over a read-only root, without a network"
    mkdir -m 1777 "$work/tmp"
    contained --version
    ! said=$(contained apply 2>&1) && grep -q 'TREZA_TURN: is not set' <<<"$said" || fail "a run that was told nothing says: $said"
    terraform_inside init -backend=false -input=false -no-color >"$work/log" 2>&1 ||
        { cat "$work/log" >&2; fail "Terraform does not find its provider in the image"; }
    terraform_inside validate -no-color
    terraform_inside version | head -n 3
    echo "==> $(digest "$1")"
}

[ "$(id -u)" = 0 ] || fail "files in it belong to root and to the runner's user: run it as root"
case ${1:-} in
'') echo "usage: runner-image.sh FOLDER | check FOLDER" >&2; exit 2 ;;
check) check "$(realpath -m "${2:?runner-image.sh check FOLDER}")" ;;
*) build "$(realpath -m "$1")" ;;
esac
