#!/bin/sh
# Runs an OCI registry on a free port of 127.0.0.1, in the foreground, keeping its blobs in DIR:
# `registry.sh DIR`. It writes its address to DIR/address once it listens; it ends with SIGTERM.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
dir=${1:?usage: registry.sh DIR}
"$top/scripts/packages.sh" docker-registry
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
rm -f "$dir/address"
cat > "$dir/config.yml" <<EOF
version: 0.1
log: {level: info, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $dir/blobs}, delete: {enabled: true}}
http: {addr: "127.0.0.1:0"}
EOF
docker-registry serve "$dir/config.yml" > "$dir/log" 2>&1 &
pid=$!
trap 'kill $pid 2>/dev/null || true; wait $pid 2>/dev/null || true; rm -f "$dir/address"; exit 0' TERM INT
for _ in $(seq 100); do
    address=$(sed -n 's/.*listening on \(127\.0\.0\.1:[0-9]*\).*/\1/p' "$dir/log" | head -n 1)
    if [ -n "$address" ]; then
        echo "$address" > "$dir/address.new" && mv "$dir/address.new" "$dir/address"
        wait $pid
    fi
    kill -0 $pid 2>/dev/null || break
    sleep 0.1
done
echo "registry.sh: the registry did not come up; its log:" >&2
tail -n 20 "$dir/log" >&2
exit 1
