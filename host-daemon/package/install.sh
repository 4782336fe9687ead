#!/bin/sh
# Installs this package, as root: `install.sh`. It starts nothing: the daemon wants its configuration, /etc/treza/host.toml, and
# bundles in /var/lib/treza/bundles first. With a newer package it replaces the older; enclaves run on.
# `install.sh ROOT` puts the files below the folder ROOT and leaves this machine alone.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=${1:-}

for program in treza-host treza-eif; do
    # A program that runs cannot be written over: the new one takes its name.
    install -D -m 0755 "$here/$program" "$root/usr/local/bin/$program.new"
    mv "$root/usr/local/bin/$program.new" "$root/usr/local/bin/$program"
done
install -D -m 0644 "$here/treza-host.service" "$root/etc/systemd/system/treza-host.service"
install -D -m 0644 "$here/treza.sysusers.conf" "$root/etc/sysusers.d/treza.conf"
install -D -m 0644 "$here/treza.rules" "$root/etc/udev/rules.d/99-treza.rules"
install -D -m 0644 "$here/treza.logrotate" "$root/etc/logrotate.d/treza"
install -d -m 0755 "$root/etc/treza" "$root/var/lib/treza/bundles"
install -d -m 0750 "$root/var/log/treza"

[ -z "$root" ] || exit 0
systemd-sysusers /etc/sysusers.d/treza.conf
systemctl daemon-reload
