# Hosts have no way to the internet, the account's calls are on record, functions that must not starve have their share.
# Cost: docs/costs.md.
environment        = "prod"
budget_usd         = 1500
log_retention_days = 365
cloudtrail         = true
egress             = "endpoints"
reserved_concurrency = {
  trigger       = 5
  verify-report = 10
  monitor       = 1
}
