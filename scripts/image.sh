#!/bin/bash
# Makes an OCI image of a program from Debian's packages, unmodified, as the layout target/images/NAME, tag `debian`:
# `image.sh NAME…`, where NAME is nginx, redis or python (gunicorn, which serves scripts/images/service.py).
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
export PATH=/usr/sbin:$PATH
work=
trap '[ -z "$work" ] || rm -rf "$work"' EXIT

describe() { # NAME: its package, what else goes into the file system, and its configuration
    hooks=()
    case $1 in
    nginx)
        package=nginx
        config=(--config.entrypoint nginx --config.cmd=-g --config.cmd='daemon off;' --config.exposedports=80/tcp)
        ;;
    redis)
        package=redis-server
        config=(--config.entrypoint redis-server --config.cmd=--bind --config.cmd=0.0.0.0 --config.cmd=--protected-mode
            --config.cmd=no --config.user=redis --config.exposedports=6379/tcp --config.workingdir=/var/lib/redis)
        ;;
    python)
        package=gunicorn
        hooks=(--customize-hook="copy-in '$top/scripts/images/service.py' /srv")
        config=(--config.entrypoint gunicorn --config.cmd=--bind --config.cmd=0.0.0.0:8000 --config.cmd=--workers
            --config.cmd=2 --config.cmd=service:application --config.user=nobody --config.exposedports=8000/tcp
            --config.workingdir=/srv)
        ;;
    *) echo "image.sh: no image '$1'; there are nginx, redis and python" >&2; exit 2 ;;
    esac
}

make_image() { # NAME
    local layout=$top/target/images/$1 suite version
    [ ! -e "$layout/index.json" ] || return 0
    describe "$1"
    "$top/scripts/packages.sh" mmdebstrap umoci
    work=$(mktemp -d "${TMPDIR:-/tmp}/treza-image.XXXXXX")
    "$top/scripts/suites.sh" > "$work/sources.list"
    suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
    echo "==> making an image of Debian's $package ($suite)"
    mmdebstrap --quiet --variant=essential --include="$package" "${hooks[@]}" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' "$suite" "$work/layer.tar" "$work/sources.list"
    umoci init --layout "$work/image"
    umoci new --image "$work/image:debian"
    umoci raw add-layer --image "$work/image:debian" "$work/layer.tar"
    version=$(tar -xOf "$work/layer.tar" ./var/lib/dpkg/status | sed -n "/^Package: $package\$/,/^\$/s/^Version: //p")
    umoci config --image "$work/image:debian" "${config[@]}" \
        --config.env "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" --config.env "VERSION=$version"
    umoci gc --layout "$work/image"
    mkdir -p "$(dirname "$layout")"
    rm -rf "$layout" "$layout.new"
    cp -r "$work/image" "$layout.new" && mv "$layout.new" "$layout"
    rm -rf "$work" && work=
    echo "==> image: oci:target/images/$1:debian ($package $version)"
}

[ $# != 0 ] || { echo "usage: image.sh nginx|redis|python…" >&2; exit 2; }
for name in "$@"; do make_image "$name"; done
