# For trying things out. Cost: docs/costs.md.
environment         = "dev"
budget_usd          = 150
deletion_protection = false
log_retention_days  = 7
egress              = "nat"
nat_gateways        = 1
