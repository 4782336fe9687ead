#!/bin/bash
# What a release consists of, for the workflows that make and deploy it.
#   release.sh notes TAG           what CHANGELOG.md says of it; a tag that is not Cargo.toml's version, or that it does not date, is refused
#   release.sh gather TAG FOLDER   copies what was built into FOLDER, with SHA256SUMS
#   release.sh fetch TAG           downloads a release of GITHUB_REPOSITORY, checks that each file was built from the commit which is checked
#                                  out, and puts it where a build would have left it
# The files of a release:
#   treza-VERSION-x86_64.tar.gz                   the commands: treza, treza-attest, treza-eif
#   treza-host-VERSION-x86_64.tar.gz              the hosts' package (scripts/package.sh)
#   treza-lambda-VERSION-{x86_64,arm64}.zip       the functions (scripts/cloud.sh)
#   treza-runner-VERSION-{x86_64,arm64}           the runner, static
#   treza-runner-image-VERSION-x86_64.tar         the runner's image, an OCI layout (scripts/runner-image.sh)
#   treza-bundle-VERSION-x86_64.tar               the default bundle: kernel and agent that images are built and measured with
set -euo pipefail
export LC_ALL=C
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
commands=(treza treza-attest treza-eif)
plain=(--format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mode='u=rwX,go=rX' --mtime=@0)

fail() { echo "release.sh: $*" >&2; exit 1; }

version_of() { # TAG
    local version
    version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
    [ "$1" = "v$version" ] || fail "the tag $1 is not v$version, the version in Cargo.toml"
    echo "$version"
}

notes() { # VERSION: its section, without the heading
    local heading="## $1 – "
    grep -qE "^${heading}[0-9]{4}-[0-9]{2}-[0-9]{2}$" CHANGELOG.md || fail "CHANGELOG.md has no line «${heading}YYYY-MM-DD»"
    awk -v heading="$heading" '/^## / { inside = index($0, heading) == 1; next } inside' CHANGELOG.md | sed '/./,$!d'
}

gather() { # VERSION FOLDER
    local version=$1 folder=$2 architecture
    mkdir -p "$folder"
    [ -z "$(ls -A "$folder")" ] || fail "$folder is not empty"
    tar -C target/release "${plain[@]}" -cf - -- "${commands[@]}" | gzip -n >"$folder/treza-$version-x86_64.tar.gz"
    cp "target/package/treza-host-$version-x86_64.tar.gz" "$folder/"
    for architecture in x86_64 arm64; do
        cp "target/cloud/$architecture/lambda.zip" "$folder/treza-lambda-$version-$architecture.zip"
        cp "target/cloud/$architecture/treza-runner" "$folder/treza-runner-$version-$architecture"
    done
    tar -C target/cloud/runner "${plain[@]}" -cf "$folder/treza-runner-image-$version-x86_64.tar" .
    target/release/treza-eif bundle export "$(cat target/bundles/default)" --bundles target/bundles \
        --output "$folder/treza-bundle-$version-x86_64.tar" >/dev/null
    (cd "$folder" && sha256sum -- * >SHA256SUMS && cat SHA256SUMS)
}

fetch() { # TAG VERSION
    local tag=$1 version=$2 architecture file commit from=target/release-files
    [ ! -e target ] || fail "target/ is there already: what was built here is not overwritten; fetch into a fresh checkout"
    mkdir -p target/{release,package,cloud/runner,bundles}
    gh release download "$tag" --repo "$GITHUB_REPOSITORY" --dir $from
    (cd $from && sha256sum --check --strict --quiet SHA256SUMS)
    commit=$(git rev-parse HEAD)
    for file in "$from"/*; do # made by this repository's release workflow on GitHub's own machines, from this commit
        gh attestation verify "$file" --repo "$GITHUB_REPOSITORY" --source-digest "$commit" --deny-self-hosted-runners \
            --signer-workflow "$GITHUB_REPOSITORY/.github/workflows/release.yml"
    done
    tar -xzf "$from/treza-$version-x86_64.tar.gz" -C target/release --no-same-owner
    cp "$from/treza-host-$version-x86_64.tar.gz" target/package/
    for architecture in x86_64 arm64; do
        install -D -m 0644 "$from/treza-lambda-$version-$architecture.zip" "target/cloud/$architecture/lambda.zip"
        install -D -m 0755 "$from/treza-runner-$version-$architecture" "target/cloud/$architecture/treza-runner"
    done
    tar -xf "$from/treza-runner-image-$version-x86_64.tar" -C target/cloud/runner --no-same-owner
    target/release/treza-eif bundle import "$from/treza-bundle-$version-x86_64.tar" --bundles target/bundles --default
}

[ $# -ge 2 ] || { echo "usage: release.sh notes TAG | gather TAG FOLDER | fetch TAG" >&2; exit 2; }
version=$(version_of "$2")
case $1 in
notes) notes "$version" ;;
gather) gather "$version" "${3:?release.sh gather TAG FOLDER}" ;;
fetch) fetch "$2" "$version" ;;
*) fail "no such step: $1" ;;
esac
