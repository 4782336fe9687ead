#!/bin/bash
# Fuzzes every target of every crate's fuzz/ folder, one after another, and prints a table: what ran, how long, how often,
# what it found. A find ends its target, not the others; it stays in the crate's fuzz/artifacts.
#   fuzz.sh [SECONDS [CRATE|CRATE/TARGET]…]     60 seconds a target, all of them
# It runs on the project's own toolchain: coverage needs no nightly, and a sanitizer of memory little where nothing is unsafe.
# What a target starts from is committed in fuzz/seeds/TARGET; what it finds beyond goes to fuzz/corpus/TARGET, which is not.
# `fuzz.sh minimise CRATE/TARGET…` makes the seeds anew, from both: files that reach all that is reached, the shortest, up to
# 100 KiB a target. Nothing else may be put there: no document or image of others.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
export PATH=$top/target/fuzz-tools/bin:$PATH
fuzz_options=(--sanitizer none --target-dir "$top/target/fuzz")

command -v cargo-fuzz >/dev/null || {
    echo "==> installing cargo-fuzz into target/fuzz-tools"
    cargo install --quiet --locked --root target/fuzz-tools cargo-fuzz
}

targets() { # CRATE|CRATE/TARGET…: each as CRATE/TARGET, all without arguments
    local file crate target
    for file in */fuzz/fuzz_targets/*.rs; do
        crate=${file%%/*} target=$(basename "$file" .rs)
        case " $* " in "  " | *" $crate "* | *" $crate/$target "*) echo "$crate/$target" ;; esac
    done
}
prepare() { # CRATE TARGET: builds it, with the versions that the project itself has locked
    mkdir -p "$1/fuzz/corpus/$2" "$1/fuzz/seeds/$2"
    [ -e "$1/fuzz/Cargo.lock" ] || cp Cargo.lock "$1/fuzz/Cargo.lock"
    cargo fuzz build --fuzz-dir "$1/fuzz" "${fuzz_options[@]}" "$2"
}

minimise() { # CRATE TARGET
    local made file size all=0
    made=$(mktemp -d)
    # The merge takes what reaches something new, shortest first.
    cargo fuzz run --fuzz-dir "$1/fuzz" "${fuzz_options[@]}" "$2" "$made" "$1/fuzz/corpus/$2" "$1/fuzz/seeds/$2" -- \
        -merge=1 -use_counters=0 -max_len=16384
    rm -rf "$1/fuzz/seeds/$2"
    mkdir "$1/fuzz/seeds/$2"
    while read -r size file; do
        all=$((all + size))
        [ $all -gt 102400 ] || mv "$made/$file" "$1/fuzz/seeds/$2/"
    done < <(find "$made" -type f -printf '%s %f\n' | sort -n)
    rm -rf "$made"
}
if [ "${1:-}" = minimise ]; then
    for target in $(targets "${@:2}"); do prepare "${target%/*}" "${target#*/}" && minimise "${target%/*}" "${target#*/}"; done
    exit
fi

seconds=${1:-60}
mapfile -t chosen < <(targets "${@:2}")
[ ${#chosen[@]} != 0 ] || { echo "fuzz.sh: no such target: ${*:2}; there are: $(targets | paste -sd ' ')" >&2; exit 1; }
mkdir -p target/fuzz
table=() found=0
for target in "${chosen[@]}"; do
    crate=${target%/*} name=${target#*/} log=target/fuzz/${target/\//-}.log
    echo "==> $target"
    prepare "$crate" "$name"
    result=none
    cargo fuzz run --fuzz-dir "$crate/fuzz" "${fuzz_options[@]}" "$name" "$crate/fuzz/corpus/$name" "$crate/fuzz/seeds/$name" -- \
        -max_total_time="$seconds" -timeout=20 -print_final_stats=1 >"$log" 2>&1 || { result="FOUND: $log" found=1; }
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    covered=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
    table+=("$(printf '%-36s %8s %12s %9s  %s' "$target" "$seconds" "${runs:--}" "${covered:--}" "$result")")
done
printf '\n%-36s %8s %12s %9s  %s\n' target seconds executions edges finds
printf '%s\n' "${table[@]}"
exit $found
