#!/bin/sh
# Installs Debian packages that are missing: `packages.sh NAME…`. Needs root or sudo only where one is missing.
# No package's service is started or left enabled: what runs is started by this project's own programs.
set -eu

missing=
for name in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null)" = installed ] || missing="$missing $name"
done
[ -n "$missing" ] || exit 0

sudo=
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "packages.sh: missing:$missing; run as root, or install sudo" >&2; exit 1; }
    sudo=sudo
fi
echo "==> installing Debian packages:$missing"
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $sudo tee "$policy" >/dev/null
    $sudo chmod 755 "$policy"
    trap '$sudo rm -f "$policy"' EXIT
fi
$sudo apt-get update -qq
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
for name in $missing; do
    if [ "$name" = docker-registry ] && command -v systemctl >/dev/null; then
        $sudo systemctl disable docker-registry.service >/dev/null 2>&1 || true
    fi
done
