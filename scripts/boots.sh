#!/bin/bash
# Real programs from Debian's packages, each deployed under each bundle, asked, verified as a client would, and destroyed;
# a table at the end. `boots.sh [BUNDLE…]`: treza, debian; both without arguments.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
export PATH=$top/target/release:$PATH
"$top/scripts/packages.sh" docker-registry skopeo umoci mmdebstrap curl jq
programs=(nginx redis python)
bundles=("$@")
[ $# != 0 ] || bundles=(treza debian)
"$top/scripts/image.sh" "${programs[@]}"
for bundle in "${bundles[@]}"; do "$top/scripts/kernel.sh" "$bundle"; done

work=$(mktemp -d "${TMPDIR:-/tmp}/treza-boots.XXXXXX")
export TREZA_STATE_DIR=$work/state XDG_CACHE_HOME=$work/cache
registry=
table=()
finish() {
    code=$?
    set +e
    [ $code = 0 ] || tail -n 15 "$TREZA_STATE_DIR"/*.log 2>/dev/null
    treza local down >/dev/null 2>&1
    [ -z "$registry" ] || { kill "$registry" 2>/dev/null; wait "$registry" 2>/dev/null; }
    rm -rf "$work"
    exit $code
}
trap finish EXIT
trap 'exit 130' INT TERM

"$top/scripts/registry.sh" "$work/registry" &
registry=$!
for _ in $(seq 100); do [ -e "$work/registry/address" ] && break; sleep 0.1; done
address=$(cat "$work/registry/address")
for program in "${programs[@]}"; do
    skopeo copy --quiet --dest-tls-verify=false "oci:$top/target/images/$program:debian" "docker://$address/$program:debian"
done

answer_of() { # PROGRAM HOST:PORT: what it answers, in a line
    case $1 in
    nginx) curl --silent --show-error --fail --max-time 20 "http://$2/" | sed -n 's:.*<title>\(.*\)</title>.*:\1:p' ;;
    redis)
        exec 3<>"/dev/tcp/${2%:*}/${2#*:}"
        printf 'SET key value\r\nINCR count\r\nGET key\r\nQUIT\r\n' >&3
        timeout 20 tr -d '\r' <&3 | paste -sd ' '
        exec 3>&-
        ;;
    python) curl --silent --show-error --fail --max-time 20 "http://$2/hello" ;;
    esac
}
expected_of() { # PROGRAM: what the answer has in it
    case $1 in
    nginx) echo 'Welcome to nginx!' ;;
    redis) echo '+OK :1 $5 value +OK' ;;
    python) echo '"path": "/hello", "user": 65534, "folder": "/srv"' ;;
    esac
}

boot() { # BUNDLE PROGRAM
    local id=$2 row digest took answer begin=$EPOCHREALTIME
    echo "==> $2 under the bundle $1"
    treza deploy --id "$id" --image "$address/$2:debian" --wait >/dev/null
    took=$(((${EPOCHREALTIME/./} - ${begin/./}) / 1000))
    row=$(treza status "$id" --json)
    answer=$(answer_of "$2" "$(jq -r '.endpoints[0].address' <<<"$row")")
    case $answer in *"$(expected_of "$2")"*) ;; *) echo "boots.sh: $2 answered: $answer" >&2; return 1 ;; esac
    digest=$(jq -r .expected.imageDigest <<<"$row")
    treza verify "$id" --image "$address/$2@$digest" --trust-root "$TREZA_STATE_DIR/ca/dev-root.pem" >/dev/null
    treza destroy "$id" --wait >/dev/null
    table+=("$(printf '%-8s %-8s %7d.%d s  %-10s %.60s' "$1" "$2" $((took / 1000)) $((took % 1000 / 100)) verified "$answer")")
}

for bundle in "${bundles[@]}"; do
    export TREZA_BUNDLES=$work/bundles-$bundle
    "$top/scripts/bundle.sh" "$bundle" "$TREZA_BUNDLES"
    treza local up --dynamodb-port 0
    for program in "${programs[@]}"; do boot "$bundle" "$program"; done
    treza local down
done
printf '\n%-8s %-8s %11s  %-10s %s\n' bundle program deployed client answer
printf '%s\n' "${table[@]}"
