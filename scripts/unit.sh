#!/bin/bash
# The hosts' package under a real systemd: a Debian of its own, in namespaces, in which the package is installed and its daemon started,
# and an enclave runs under the unit's limits and outlives a restart and a stop. Nothing of it is seen outside. Needs root, and the
# programs, the bundle and the image of nginx (`make unit`). That Debian is made once, and kept as target/unit/debian.tar.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
[ "$(id -u)" = 0 ] || { echo "unit.sh: it starts a system of its own: run it as root" >&2; exit 1; }
"$top/scripts/packages.sh" mmdebstrap util-linux
work=$(mktemp -d "${TMPDIR:-/tmp}/treza-unit.XXXXXX")
root=$work/root
group=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)/treza-unit.$$
system='' # the process that holds the namespaces; with it all goes that is in them
finish() {
    code=$?
    set +e
    [ $code = 0 ] || tail -n 15 "$work/console" "$root"/var/log/treza/*.log
    [ -z "$system" ] || { kill -9 "$system"; wait "$system"; } 2>/dev/null
    for _ in $(seq 50); do # its own systemd made groups in it
        find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
        [ -e "$group" ] || break
        sleep 0.1
    done
    rm -rf "$work"
    exit $code
}
trap finish EXIT
trap 'exit 130' INT TERM

make_debian() {
    local debian=$top/target/unit/debian.tar
    if [ ! -e "$debian" ]; then
        echo "==> making a Debian with systemd and QEMU (some minutes, once)"
        mkdir -p "$top/target/unit"
        "$top/scripts/suites.sh" >"$work/sources.list"
        mmdebstrap --quiet --variant=essential --include=systemd-sysv,dbus,logrotate,curl,procps,qemu-system-x86 \
            "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$work/debian.tar" "$work/sources.list"
        mv "$work/debian.tar" "$debian"
    fi
    mkdir "$root"
    tar -C "$root" --exclude='./dev/*' -xf "$debian"
}

start_system() {
    mkdir "$group"
    # shellcheck disable=SC2016
    sh -c 'echo $$ >"$1/cgroup.procs"; exec unshare --mount --pid --fork --kill-child --uts --ipc --net --cgroup sh -eu "$2" "$3"' \
        sh "$group" "$work/init" "$root" >"$work/console" 2>&1 &
    system=$!
    for _ in $(seq 300); do
        init=$(pgrep -P "$system" || true)
        case $([ -z "$init" ] || on_host systemctl is-system-running 2>/dev/null) in running | degraded) return ;; esac
        sleep 0.1
    done
    echo "unit.sh: systemd did not come up" >&2
    return 1
}
cat >"$work/init" <<'INIT'
mount --make-rprivate /
mount --bind "$1" "$1"
mount -t proc proc "$1/proc"
mount -t sysfs -o ro sysfs "$1/sys"
mount -t cgroup2 cgroup2 "$1/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$1/dev"
for device in null zero full random urandom tty kvm; do
    [ ! -e /dev/$device ] || { : >"$1/dev/$device"; mount --bind /dev/$device "$1/dev/$device"; }
done
mkdir "$1/dev/pts" "$1/dev/shm"
mount -t tmpfs tmpfs "$1/dev/shm"
mount -t tmpfs tmpfs "$1/run"
mount -t tmpfs tmpfs "$1/tmp"
mkdir "$1/.old"
cd "$1"
pivot_root . .old
umount -l /.old
exec env -i container=other PATH=/usr/sbin:/usr/bin /lib/systemd/systemd --system --log-target=console systemd.unit=multi-user.target
INIT
on_host() { nsenter --target "$init" --mount --pid --net --uts --ipc --cgroup "$@"; }

install_package() {
    "$top/scripts/package.sh" "$work/package"
    mkdir "$root/opt/package"
    tar -xzf "$work"/package/*.tar.gz -C "$root/opt/package" --no-same-owner
    on_host /opt/package/install.sh
    cp -r "$top"/target/bundles/* "$root/var/lib/treza/bundles/"
    "$top/target/release/treza-eif" build --image "oci:$top/target/images/nginx:debian" --bundle "$(cat "$top/target/bundles/default")" \
        --output "$root/opt/nginx.eif" >/dev/null
    chmod 644 "$root/opt/nginx.eif"
    # No table is there: the daemon says so, and waits.
    cat >"$root/etc/treza/host.toml" <<'TOML'
state_dir = "/var/lib/treza/host"
bundles = "/var/lib/treza/bundles"
instance_id = "i-0123456789abcdef0"
region = "us-west-2"
dynamodb_endpoint = "http://127.0.0.1:8000"
driver = "emulator"
[tables]
rows = "enclaves"
reports = "reports"
TOML
    # The daemon's unit with an enclave in the daemon's place.
    sed -e 's#^ExecStart=.*#ExecStart=/bin/sh -c "treza-host run --state-dir /var/lib/treza/host --eif /opt/nginx.eif --memory 1024 \&\& sleep 600"#' \
        -e 's#host\.log#enclave.log#' "$root/etc/systemd/system/treza-host.service" >"$root/etc/systemd/system/treza-enclave.service"
    on_host systemctl daemon-reload
}

has_no_privilege() { # PROGRAM…: each process of it
    local program process
    for program in "$@"; do
        for process in $(on_host pgrep -f "^[^ ]*$program "); do
            on_host awk -v user="$(on_host id -u treza)" -v program="$program" '
                /^Uid:/ { good += $2 == user && $3 == user }
                /^CapEff:/ { good += $2 == "0000000000000000" }
                /^NoNewPrivs:/ { good += $2 == 1 }
                /^Seccomp:/ { good += $2 == 2 }
                END { if (good != 4) { print "unit.sh: a process of " program " has privileges"; exit 1 } }' "/proc/$process/status"
        done
    done
}
page() { on_host curl --silent --show-error --fail --retry 30 --retry-delay 1 --retry-all-errors --max-time 60 "http://$address/" | grep -o '<title>.*</title>'; }

make_debian
start_system
echo "==> the package is installed, the daemon starts"
install_package
on_host systemctl start treza-host
sleep 2
on_host systemctl is-active treza-host
grep 'daemon runs' "$root/var/log/treza/host.log"
echo "==> an enclave starts under the unit's limits"
on_host systemctl start treza-enclave
for _ in $(seq 240); do
    address=$(sed -n 's/^port 80 at //p' "$root/var/log/treza/enclave.log")
    [ -z "$address" ] || break
    sleep 0.5
done
page
has_no_privilege treza-host qemu-system-x86_64
echo "==> it outlives a restart of the daemon, and a stop of the unit that it was started in"
on_host systemctl restart treza-host
on_host systemctl stop treza-enclave
page
echo "==> and ends when it is told to"
on_host treza-host stop --all --state-dir /var/lib/treza/host
! on_host pgrep -f '^qemu-system' || { echo "unit.sh: QEMU is left" >&2; exit 1; }
on_host systemctl stop treza-host
