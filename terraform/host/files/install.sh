#!/bin/bash
# At an instance's first boot: fetches the host's package and bundles, checks them, and starts the daemon. What it is told
# stands in install.env and comes from terraform/runtime; nothing of it is a row's.
set -euo pipefail
. /etc/treza/install.env

metadata() { # PATH: what IMDSv2 says
    local token
    token=$(curl -sSf -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' http://169.254.169.254/latest/api/token)
    curl -sSf -H "X-aws-ec2-metadata-token: $token" "http://169.254.169.254/latest/meta-data/$1"
}

fetch() { # URI FILE: for some minutes, since permissions of a new role are not everywhere at once
    local tries
    for tries in 1 2 3 4 5 6 7 8; do
        aws s3 cp --only-show-errors "$1" "$2" && return
        sleep $((tries * 5))
    done
    echo "install.sh: $1 could not be fetched" >&2
    return 1
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fetch "$PACKAGE_URI" "$work/package.tar.gz"
echo "$PACKAGE_SHA256  $work/package.tar.gz" | sha256sum --check --status || {
    echo "install.sh: $PACKAGE_URI is not the package that was to be installed: its SHA-256 is another" >&2
    exit 1
}
mkdir "$work/package"
tar -xzf "$work/package.tar.gz" -C "$work/package" --no-same-owner
"$work/package/install.sh" # programs, unit, user, folders

default=--default
for bundle in $BUNDLES; do # the import checks that it has this digest's content
    fetch "$BUNDLES_URI${bundle#sha256:}.tar" "$work/bundle.tar"
    /usr/local/bin/treza-eif bundle import "$work/bundle.tar" --bundles /var/lib/treza/bundles $default
    default=
done

if [ "$DRIVER" = nitro ]; then
    modprobe nitro_enclaves
    echo nitro_enclaves >/etc/modules-load.d/treza.conf
elif ! command -v qemu-system-x86_64 >/dev/null; then
    echo "install.sh: the driver emulator needs qemu-system-x86_64; name an image that has it (ami_id)" >&2
    exit 1
fi

systemctl enable --now treza-host.service

# Logs last: an enclave does not wait for them.
id=$(metadata tags/instance/treza:id)
case $id in
'' | *[!A-Za-z0-9_-]*) echo "install.sh: the tag treza:id is no row's id; no logs are sent" >&2 && exit 1 ;;
esac
dnf install -y -q amazon-cloudwatch-agent
agent=/opt/aws/amazon-cloudwatch-agent
sed "s|@GROUP@|/aws/ec2/enclave/$id|" /etc/treza/logs.json >"$agent/etc/treza.json"
"$agent/bin/amazon-cloudwatch-agent-ctl" -a fetch-config -m ec2 -s -c "file:$agent/etc/treza.json"
