#!/bin/bash
# What the emulated account and the Terraform checks need, into target/: `setup.sh [checkov]`; `setup.sh terraform` for Terraform alone.
# moto (the account) and checkov stand in environments of their own, since they ask for different versions of boto3.
# Terraform's provider comes from a folder named tf-plugins where the machine has one, else from the ordinary registry.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
here=$top/scripts/estate

terraform_found() {
    local version
    command -v terraform >/dev/null || {
        echo "setup.sh: terraform is not in PATH; install 1.10 or later: https://developer.hashicorp.com/terraform/install" >&2
        exit 1
    }
    version=$(terraform version -json 2>/dev/null | sed -n 's/.*"terraform_version": *"\([0-9.]*\).*/\1/p')
    if [ "$(printf '%s\n' 1.10.0 "$version" | sort -V | head -n 1)" != 1.10.0 ]; then
        echo "setup.sh: terraform is $version; 1.10 or later is needed, for the state's lock file in S3" >&2
        exit 1
    fi
}

mirror() { # the first folder named tf-plugins that holds the provider
    local folder
    # It fails where there are folders that are another user's.
    { find / -maxdepth 4 \( -path /proc -o -path /sys -o -path /dev \) -prune -o -type d -name tf-plugins -print 2>/dev/null || true; } |
        while read -r folder; do
            if [ -d "$folder/registry.terraform.io/hashicorp/aws" ]; then
                echo "$folder"
                break
            fi
        done
}

cli_config() { # target/terraform.rc, for TF_CLI_CONFIG_FILE
    local folder
    folder=$(mirror)
    mkdir -p "$top/target/terraform-plugins"
    {
        echo 'disable_checkpoint = true'
        if [ -n "$folder" ]; then
            printf 'provider_installation {\n  filesystem_mirror {\n    path = "%s"\n  }\n}\n' "$folder"
        else
            printf 'plugin_cache_dir = "%s"\n' "$top/target/terraform-plugins"
        fi
    } >"$top/target/terraform.rc"
}

mkdir -p "$top/target"
terraform_found
cli_config
[ "${1:-}" != terraform ] || exit 0
"$top/scripts/python.sh" estate-venv "$here/requirements.txt"
if [ "${1:-}" = checkov ]; then
    "$top/scripts/python.sh" checkov-venv "$here/requirements-checkov.txt"
fi
