#!/bin/bash
# A Python environment in target/: `python.sh NAME REQUIREMENTS`. It is made anew when the requirements have changed.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
folder=$top/target/$1

cmp -s "$2" "$folder/requirements.txt" && exit
echo "==> $(tr '\n' ' ' <"$2")into target/$1"
rm -rf "$folder"
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check -r "$2"
cp "$2" "$folder/requirements.txt"
