variable "prefix" {
  description = "What the names begin with."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.prefix))
    error_message = "prefix must be 3 to 31 lower-case letters, digits and hyphens."
  }
}

variable "cidr" {
  description = "The network's addresses, /16 to /22."
  type        = string

  validation {
    condition     = can(cidrnetmask(var.cidr)) && try(tonumber(split("/", var.cidr)[1]) >= 16 && tonumber(split("/", var.cidr)[1]) <= 22, false)
    error_message = "cidr must be an IPv4 range from /16 to /22."
  }
}

variable "egress" {
  description = "nat: private subnets reach the internet through NAT gateways. endpoints: they reach AWS only."
  type        = string

  validation {
    condition     = contains(["nat", "endpoints"], var.egress)
    error_message = "egress must be nat or endpoints."
  }
}

variable "nat_gateways" {
  description = "NAT gateways with egress = nat: 1, or 2 (one for each zone)."
  type        = number
  default     = 1

  validation {
    condition     = contains([1, 2], var.nat_gateways)
    error_message = "nat_gateways must be 1 or 2."
  }
}

variable "more_endpoints" {
  description = "Services with interface endpoints besides those that hosts need, with egress = endpoints: sqs, sns, states, secretsmanager."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for service in var.more_endpoints : can(regex("^[a-z0-9.-]+$", service))])
    error_message = "more_endpoints must be services as endpoints name them."
  }
}

variable "host_ingress_cidrs" {
  description = "From where the applications' ports on the hosts are reached."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for range in var.host_ingress_cidrs : can(cidrnetmask(range)) && range != "0.0.0.0/0"])
    error_message = "host_ingress_cidrs must be IPv4 ranges, and not the whole internet."
  }
}

variable "log_retention_days" {
  description = "Days that flow logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = var.log_retention_days >= 1
    error_message = "log_retention_days must be 1 or more."
  }
}

variable "kms_key_arn" {
  description = "The key that encrypts the flow logs."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key."
  }
}
