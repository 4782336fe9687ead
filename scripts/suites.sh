#!/bin/sh
# The suites that this machine's apt already has from Debian, as mmdebstrap takes them.
set -eu
# shellcheck disable=SC2016
found=$(apt-get indextargets --format 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(REPO_URI) $(CODENAME) $(COMPONENT)' \
    'Created-By: Packages' 'Origin: Debian' | sort -u)
[ -n "$found" ] || { echo "suites.sh: apt knows no Debian suite; run apt-get update" >&2; exit 1; }
echo "$found"
