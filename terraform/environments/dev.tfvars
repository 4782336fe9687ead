# For trying things out.
# Fixed cost, US dollars a month: 2.32 for base, 42.27 for runtime (a NAT gateway and its address 36.50, alarms and metrics 5.10); hosts besides: docs/costs.md.
environment         = "dev"
budget_usd          = 150
deletion_protection = false
log_retention_days  = 7
egress              = "nat"
nat_gateways        = 1
