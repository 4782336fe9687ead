#!/bin/bash
# Builds twice from the last commit, in two folders, and says whether the bytes are the same: `reproduce.sh agent|kernel`. Of the second build
# the umask, time zone, locale, number of jobs and the folders of sources and tools differ as well. Exit 1 if the bytes differ.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
what=${1:-}
work=$(mktemp -d "${TMPDIR:-/tmp}/treza-reproduce.XXXXXX")
trap 'rm -rf "$work"' EXIT

build_agent() { # FOLDER; then the program is FOLDER/out
    (cd "$1" && env -u CARGO_TARGET_DIR scripts/agent.sh --quiet --bin treza-agent)
    cp "$1/target/x86_64-unknown-linux-musl/agent/treza-agent" "$1/out"
}
build_kernel() { # FOLDER, the same; it is built in the cache, as the kernel's makefiles take no path with a space in it
    local cache
    cache=$(mktemp -d "$work/${1##*[ /]}.XXXX")
    (cd "$1" && HOME=$cache XDG_CACHE_HOME=$cache scripts/kernel.sh treza)
    cp "$1/target/kernel/treza/bzImage" "$1/out"
    cat "$1/target/kernel/treza/source"
}
case $what in
agent) build=build_agent ;;
kernel) build=build_kernel ;;
*) echo "usage: reproduce.sh agent|kernel" >&2; exit 2 ;;
esac

first=$work/first second="$work/and the second, elsewhere"
for folder in "$first" "$second"; do
    mkdir "$folder"
    git -C "$top" archive HEAD | tar -xC "$folder"
done
if [ "$what" = agent ]; then
    mkdir "$work/cargo"
    cp -a "${CARGO_HOME:-$HOME/.cargo}/registry" "$work/cargo/"
fi

echo "==> $what, the first time"
"$build" "$first"
echo "==> $what, the second time"
(
    umask 077
    export TZ=Asia/Tokyo LC_ALL=C CARGO_HOME=$work/cargo CARGO_BUILD_JOBS=1 JOBS=3
    "$build" "$second"
)
sha256sum "$first/out" "$second/out" | sed "s#$work/##"
cmp "$first/out" "$second/out" || { echo "reproduce.sh: the bytes differ" >&2; exit 1; }
echo "same: $(wc -c < "$first/out") bytes"
