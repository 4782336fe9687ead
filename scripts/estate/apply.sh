#!/bin/bash
# Terraform against an account that account.py keeps: `apply.sh STEP DIRECTORY`, where DIRECTORY is the account's.
#   base, runtime, host            apply that root module
#   no-host, no-runtime, no-base   destroy it
# The modules are worked on in a copy, DIRECTORY/work. What runtime and host are told besides dev.tfvars stands in
# DIRECTORY/runtime.json and DIRECTORY/host.json; placeholders are written where they are missing.
set -euo pipefail
step=$1
directory=$(cd "$2" && pwd)
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$directory/work/terraform
environment=$top/terraform/environments/dev.tfvars

address=http://$(cat "$directory/address")
export AWS_ENDPOINT_URL=$address AWS_REGION=us-west-2 AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
export AWS_EC2_METADATA_DISABLED=true AWS_MAX_ATTEMPTS=4 NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost
export TF_CLI_CONFIG_FILE=$top/target/terraform.rc TF_IN_AUTOMATION=1 TF_INPUT=0 TF_CLI_ARGS=-no-color
unset AWS_PROFILE AWS_SESSION_TOKEN

run() { # ROOT ARGUMENT…: Terraform, its output kept, and shown where it fails
    local root=$1 log=$directory/$1.log
    shift
    terraform -chdir="$work/$root" "$@" >>"$log" 2>&1 || {
        tail -n 60 "$log" >&2
        echo "apply.sh: terraform $1 of $root failed; all of it is in $log" >&2
        exit 1
    }
}

backend() { # KEY: where the state of a root module is
    terraform -chdir="$work/base" output -raw backend >"$directory/backend.hcl"
    echo "-backend-config=$directory/backend.hcl -backend-config=key=$1 -backend-config=use_path_style=true"
}

local_backend() { # base's state while there is no bucket to keep it in
    printf 'terraform {\n  backend "local" {}\n}\n' >"$work/base/backend_override.tf"
}

unchanged() { # ROOT ARGUMENT…: a second plan has nothing to do
    run "$@" -detailed-exitcode -lock=false
}

placeholder_runtime() {
    local bundle=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    mkdir -p "$directory/placeholders"
    printf '#!/bin/sh\nexit 1\n' >"$directory/placeholders/bootstrap"
    python3 -m zipfile -c "$directory/placeholders/functions.zip" "$directory/placeholders/bootstrap"
    : >"$directory/placeholders/$bundle.tar"
    tar -czf "$directory/placeholders/package.tar.gz" -C "$directory/placeholders" bootstrap
    cat >"$directory/runtime.json" <<JSON
{
  "lambda_zip": "$directory/placeholders/functions.zip",
  "host_package": "$directory/placeholders/package.tar.gz",
  "bundles": [{"digest": "sha256:$bundle", "file": "$directory/placeholders/$bundle.tar"}],
  "runner_image": "123456789012.dkr.ecr.us-west-2.amazonaws.com/treza-dev-runner@sha256:$bundle"
}
JSON
}

placeholder_host() {
    local pcr
    pcr=$(printf 'a%.0s' {1..96})
    terraform -chdir="$work/runtime" output -raw host_variables >"$directory/host.same.json"
    python3 - "$directory" "$pcr" <<'PYTHON'
import json, pathlib, sys
directory, pcr = pathlib.Path(sys.argv[1]), sys.argv[2]
row = {"id": "enc_1", "instance_type": "m6i.xlarge", "zone_index": 1, "aws_services": ["kms", "sqs"], "pcr0": pcr, "pcr16": pcr}
row["image_repository_arn"] = "arn:aws:ecr:us-west-2:123456789012:repository/treza-dev-images"
same = json.loads((directory / "host.same.json").read_text())
(directory / "host.json").write_text(json.dumps({**same, **row}))
PYTHON
}

host_key() { # hosts/<SHA-256 of the id>.tfstate, as the runner keeps it
    python3 -c 'import hashlib, json, sys
print("hosts/%s.tfstate" % hashlib.sha256(json.load(open(sys.argv[1]))["id"].encode()).hexdigest())' "$directory/host.json"
}

mkdir -p "$work"
given=(-var-file="$environment" -var=emulated=true)
case $step in
base)
    rm -rf "$work" && mkdir -p "$work" "$directory/work/provisioner"
    cp -r "$top"/terraform/{base,runtime,host,modules,environments} "$work"
    rm -rf "$work"/*/tests "$work"/modules/*/tests
    cp -r "$top/provisioner/machines" "$directory/work/provisioner"
    local_backend
    run base init
    run base apply -auto-approve -parallelism=20 "${given[@]}"
    # Now there is a bucket: the state goes where it will stay.
    config=$(backend base.tfstate)
    rm "$work/base/backend_override.tf"
    # shellcheck disable=SC2086
    run base init -migrate-state -force-copy $config
    unchanged base plan "${given[@]}"
    ;;
runtime)
    [ -e "$directory/runtime.json" ] || placeholder_runtime
    # shellcheck disable=SC2046
    run runtime init $(backend runtime.tfstate)
    run runtime apply -auto-approve -parallelism=20 "${given[@]}" -var-file="$directory/runtime.json"
    unchanged runtime plan "${given[@]}" -var-file="$directory/runtime.json"
    ;;
host)
    [ -e "$directory/host.json" ] || placeholder_host
    # shellcheck disable=SC2046
    run host init -reconfigure $(backend "$(host_key)")
    run host apply -auto-approve -var-file="$directory/host.json"
    ;;
no-host) run host destroy -auto-approve -var-file="$directory/host.json" ;;
no-runtime) run runtime destroy -auto-approve -parallelism=20 "${given[@]}" -var-file="$directory/runtime.json" ;;
no-base)
    # The bucket goes too, so the state leaves it first.
    local_backend
    run base init -migrate-state -force-copy
    run base destroy -auto-approve -parallelism=20 "${given[@]}"
    ;;
*)
    echo "apply.sh: no such step: $step" >&2
    exit 1
    ;;
esac
