#!/bin/bash
# What can be said of the Terraform without an account: format, validity of every root module and module, `terraform test`
# everywhere (offline, with a mock provider), and checkov. Exceptions from checkov's rules stand where they are made, each with
# its reason; those in EVERYWHERE below are for all.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
"$top/scripts/estate/setup.sh" checkov
export TF_CLI_CONFIG_FILE=$top/target/terraform.rc TF_IN_AUTOMATION=1 TF_INPUT=0 TF_CLI_ARGS=-no-color
cd "$top/terraform"

echo "==> terraform fmt"
terraform fmt -check -recursive -diff .

tests=0
for module in base runtime host modules/*; do
    echo "==> $module"
    # What is remembered of providers may be another machine's.
    rm -f "$module/.terraform.lock.hcl"
    terraform -chdir="$module" init -backend=false >"$top/target/terraform-check.log" 2>&1 || {
        cat "$top/target/terraform-check.log" >&2
        exit 1
    }
    terraform -chdir="$module" validate
    terraform -chdir="$module" test >"$top/target/terraform-check.log" 2>&1 || {
        cat "$top/target/terraform-check.log" >&2
        exit 1
    }
    tail -n 1 "$top/target/terraform-check.log"
    tests=$((tests + $(grep -c '^  run .*\.\.\. pass$' "$top/target/terraform-check.log")))
    for named in $(sed -n 's/^variable "\(.*\)" {/\1/p; s/^output "\(.*\)" {/\1/p' "$module"/variables.tf "$module"/outputs.tf 2>/dev/null); do
        grep -q "$named" "$module/README.md" || { echo "terraform.sh: $module/README.md does not mention $named" >&2; exit 1; }
    done
done
echo "$tests tests pass"

echo "==> costs"
# One spelling of each sum: what the command prints stands in the page and in the environment's own file.
environment=
while read -r name _ sum; do
    case $name in
    \[*) environment=$(tr -d '[]' <<<"$name") ;;
    base | runtime)
        grep -q "| .*\b$sum\b" ../docs/costs.md && grep -q "\b$sum for $name" "environments/$environment.tfvars" || {
            echo "terraform.sh: $name of $environment costs $sum in environments/costs.toml, and not in docs/costs.md or $environment.tfvars" >&2
            exit 1
        }
        ;;
    esac
done <environments/costs.toml

EVERYWHERE=(
    CKV_AWS_144     # replication to another region: state and artifacts are versioned, tables have point-in-time recovery
    CKV_AWS_18      # access logs of buckets: CloudTrail keeps the calls where it is switched on
    CKV2_AWS_62     # event notifications of buckets: nothing waits for objects
    CKV_AWS_338     # logs for a year: log_retention_days says how long, and prod says a year
    CKV_TF_1        # modules by commit: they stand beside, in this repository
)
echo "==> checkov"
ids=$(IFS=,; echo "${EVERYWHERE[*]}")
"$top/target/checkov-venv/bin/checkov" --directory . --framework terraform --quiet --compact --skip-download \
    --skip-path '.*/tests/.*' --skip-check "$ids" | tee "$top/target/terraform-check.log"
! grep -q 'Parsing errors:' "$top/target/terraform-check.log" || { echo "terraform.sh: checkov could not read every file" >&2; exit 1; }
