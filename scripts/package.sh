#!/bin/bash
# Packs what a host is installed from and its SHA-256 beside it:
# target/package/treza-host-VERSION-x86_64.tar.gz. The same programs give the same bytes, whenever and wherever they are packed.
#   package.sh          of the programs in target/release
#   package.sh check    packs twice, compares, looks at every file, installs into a folder, asks systemd about the unit
# PROGRAMS: another folder of programs.
set -euo pipefail
export LC_ALL=C # one order of names
top=$(cd "$(dirname "$0")/.." && pwd)
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' "$top/Cargo.toml")
name=treza-host-$version-x86_64.tar.gz
programs=${PROGRAMS:-$top/target/release}
# Amazon Linux 2023 has this glibc, and what wants a newer one does not start there.
newest_glibc=2.34
work=$(mktemp -d "${TMPDIR:-/tmp}/treza-package.XXXXXX")
trap 'rm -rf "$work"' EXIT

fail() { echo "package.sh: $*" >&2; exit 1; }

runs_on_a_host() { # FILE: is it this version, for this processor, and does it start on a host?
    local said glibc
    said=$("$1" --version) || fail "$1 does not run"
    [ "${said##* }" = "$version" ] || fail "$1 says it is $said, and Cargo.toml $version: build it again"
    readelf -h "$1" | grep -q 'Machine:.*X86-64' || fail "$1 is not for x86_64"
    glibc=$(objdump -T "$1" | sed -n 's/.*(GLIBC_\([0-9.]*\)).*/\1/p' | sort -Vu | tail -n 1)
    [ "$(printf '%s\n' "${glibc:-0}" $newest_glibc | sort -V | tail -n 1)" = $newest_glibc ] ||
        fail "$1 wants glibc $glibc, and a host has $newest_glibc: build it on an older system"
}

pack() { # FOLDER: leaves the package and its checksum there
    local files=$1/files program
    mkdir -p "$files"
    cp "$top"/host-daemon/package/* "$top/LICENSE" "$files/"
    for program in treza-host treza-eif; do
        [ -x "$programs/$program" ] || fail "$programs/$program is missing: make programs"
        runs_on_a_host "$programs/$program"
        # Line tables are two thirds of its size; the names of functions stay, for a backtrace.
        strip --strip-debug -o "$files/$program" "$programs/$program"
    done
    chmod 0755 "$files"/{treza-host,treza-eif,install.sh}
    (cd "$files" && tar --format=ustar --owner=0 --group=0 --numeric-owner --mode='u=rwX,go=rX' \
        --mtime="@${SOURCE_DATE_EPOCH:-0}" -cf "$1/package.tar" -- *)
    gzip -n <"$1/package.tar" >"$1/$name"
    (cd "$1" && sha256sum "$name" >"$name.sha256")
}

check() {
    echo "==> packing twice"
    mkdir "$work/first" "$work/second"
    pack "$work/first"
    (
        umask 077
        export TZ=Asia/Tokyo
        mkdir "$work/programs"
        cp "$programs"/treza-{host,eif} "$work/programs/"
        touch -d 2001-02-03 "$work/programs"/*
        programs=$work/programs
        pack "$work/second"
    )
    cmp "$work/first/$name" "$work/second/$name" || fail "the bytes differ"
    (cd "$work/first" && sha256sum --check --quiet "$name.sha256")

    echo "==> what is in it"
    diff <(tar --numeric-owner --utc -tvzf "$work/first/$name" | awk '{ print $1, $2, $4, $NF }') - <<LISTED || fail "it has other files than these (>)"
-rw-r--r-- 0/0 1970-01-01 LICENSE
-rwxr-xr-x 0/0 1970-01-01 install.sh
-rwxr-xr-x 0/0 1970-01-01 treza-eif
-rwxr-xr-x 0/0 1970-01-01 treza-host
-rw-r--r-- 0/0 1970-01-01 treza-host.service
-rw-r--r-- 0/0 1970-01-01 treza.logrotate
-rw-r--r-- 0/0 1970-01-01 treza.rules
-rw-r--r-- 0/0 1970-01-01 treza.sysusers.conf
LISTED

    echo "==> installed into a folder"
    mkdir "$work/unpacked" "$work/root"
    tar -xzf "$work/first/$name" -C "$work/unpacked" --no-same-owner
    "$work/unpacked/install.sh" "$work/root"
    "$work/unpacked/install.sh" "$work/root" # an upgrade is the same again
    diff <(cd "$work/root" && find . -type f -printf '%m %P\n' | sort -k 2) - <<INSTALLED || fail "it installs other files than these (>)"
644 etc/logrotate.d/treza
644 etc/systemd/system/treza-host.service
644 etc/sysusers.d/treza.conf
644 etc/udev/rules.d/99-treza.rules
755 usr/local/bin/treza-eif
755 usr/local/bin/treza-host
INSTALLED
    check_unit
}

check_unit() {
    command -v systemd-analyze >/dev/null || { echo "package.sh: no systemd here: the unit is not looked at" >&2; return; }
    # The unit names its program where a host has it; here it stands in the folder.
    sed "s#/usr/local/bin/#$work/root&#" "$work/root/etc/systemd/system/treza-host.service" >"$work/treza-host.service"
    # It warns of a line that it does not know, and exits 0; what it says of other units is not ours.
    systemd-analyze verify --man=no "$work/treza-host.service" >"$work/said" 2>&1 || fail "systemd refuses the unit: $(cat "$work/said")"
    ! grep treza-host "$work/said" >&2 || fail "systemd does not understand the unit"
    # Of 10; what is left is the network and two devices, which it is there for.
    systemd-analyze security --offline=true --threshold=30 "$work/treza-host.service" >"$work/exposure" ||
        fail "the unit is exposed more than 3.0: $(tail -n 1 "$work/exposure")"
    tail -n 1 "$work/exposure"
}

case ${1:-} in
'') echo "usage: package.sh FOLDER|check" >&2; exit 2 ;;
check) check ;;
*)
    pack "$work"
    mkdir -p "$1"
    mv "$work/$name" "$work/$name.sha256" "$1/"
    echo "==> package: $1/$name ($(wc -c <"$1/$name") bytes, SHA-256 $(cut -d ' ' -f 1 "$1/$name.sha256"))"
    ;;
esac
