#!/bin/sh
# Makes an OCI image of Debian's nginx, unmodified, as the layout target/images/nginx, tag `debian`.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
layout=$top/target/images/nginx
[ -e "$layout/index.json" ] && exit 0
"$top/scripts/packages.sh" mmdebstrap umoci
work=$(mktemp -d "${TMPDIR:-/tmp}/treza-image.XXXXXX")
trap 'rm -rf "$work"' EXIT
# The suites that this machine's apt already has from Debian.
apt-get indextargets --format 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(REPO_URI) $(CODENAME) $(COMPONENT)' \
    'Created-By: Packages' 'Origin: Debian' | sort -u > "$work/sources.list"
[ -s "$work/sources.list" ] || { echo "nginx-image.sh: apt knows no Debian suite; run apt-get update" >&2; exit 1; }
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
echo "==> making an image of Debian's nginx ($suite)"
mmdebstrap --quiet --variant=essential --include=nginx \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' "$suite" "$work/layer.tar" "$work/sources.list"
umoci init --layout "$work/nginx"
umoci new --image "$work/nginx:debian"
umoci raw add-layer --image "$work/nginx:debian" "$work/layer.tar"
version=$(tar -xOf "$work/layer.tar" ./var/lib/dpkg/status | sed -n '/^Package: nginx$/,/^$/s/^Version: //p')
umoci config --image "$work/nginx:debian" \
    --config.entrypoint nginx --config.cmd=-g --config.cmd='daemon off;' --config.exposedports=80/tcp \
    --config.env "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" \
    --config.env "NGINX_VERSION=$version" --config.workingdir /
umoci gc --layout "$work/nginx"
mkdir -p "$(dirname "$layout")"
rm -rf "$layout"
cp -r "$work/nginx" "$layout.new" && mv "$layout.new" "$layout"
echo "==> image: oci:target/images/nginx:debian (nginx $version)"
