# Like prod, smaller.
# Fixed cost, US dollars a month: 2.32 for base, 42.80 for runtime (as dev, with more logs); hosts besides: docs/costs.md.
environment        = "staging"
budget_usd         = 400
log_retention_days = 30
egress             = "nat"
nat_gateways       = 1
