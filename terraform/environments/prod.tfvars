# Hosts have no way to the internet, the account's calls are on record, functions that must not starve have their share.
# Fixed cost, US dollars a month: 2.84 for base, 110.14 for runtime (interface endpoints 102.20, alarms and metrics 5.10); hosts besides: docs/costs.md.
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
