# Like prod, smaller. Cost: docs/costs.md.
environment        = "staging"
budget_usd         = 400
log_retention_days = 30
egress             = "nat"
nat_gateways       = 1
