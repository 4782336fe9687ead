# What differs between environments: all that a file of this folder may set. base and runtime both read it (environment.tf
# there is a link to this file), so that one file serves both and each rule stands once.

variable "environment" {
  description = "Name of the environment: dev, staging, prod, or another of 2 to 12 lower-case letters, digits and hyphens."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,11}$", var.environment))
    error_message = "environment must match [a-z][a-z0-9-]{1,11}: it is part of every name."
  }
}

variable "region" {
  description = "AWS region: one that the web application offers."
  type        = string
  default     = "us-west-2"

  validation {
    condition     = contains(["us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-1", "ap-northeast-1"], var.region)
    error_message = "region must be us-east-1, us-west-2, eu-west-1, eu-central-1, ap-southeast-1 or ap-northeast-1."
  }
}

variable "tags" {
  description = "Tags of every resource, besides Project, Environment, CostCenter and ManagedBy."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name in keys(var.tags) : !startswith(name, "aws:") && !startswith(name, "treza:")])
    error_message = "tags must not begin with aws: or treza:, which have a meaning of their own."
  }
  validation {
    # A host reads its own tags from its metadata, which takes no others.
    condition     = alltrue([for name in keys(var.tags) : can(regex("^[A-Za-z0-9+=.,_:@-]{1,128}$", name))])
    error_message = "tags must be named by letters, digits and + - = . , _ : @, without blanks and slashes."
  }
}

variable "cost_center" {
  description = "Whom the environment's costs belong to: the tag CostCenter."
  type        = string
  default     = "treza"

  validation {
    condition     = can(regex("^[A-Za-z0-9 ._:/=+@-]{1,64}$", var.cost_center))
    error_message = "cost_center must be 1 to 64 characters that a tag may have."
  }
}

variable "notify" {
  description = "E-mail addresses that alarms, failures and the budget go to. Each has to confirm its subscription once."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for address in var.notify : can(regex("^[^@ ]+@[^@ ]+$", address))])
    error_message = "notify must hold e-mail addresses."
  }
}

variable "budget_usd" {
  description = "US dollars a month for resources with this environment's tag; an alarm at 80 % spent and at 100 % forecast."
  type        = number

  validation {
    condition     = var.budget_usd >= 1
    error_message = "budget_usd must be 1 or more."
  }
}

variable "cloudtrail" {
  description = "Whether this environment keeps a trail of API calls. Off where the organisation has one: the second costs."
  type        = bool
  default     = false
}

variable "deletion_protection" {
  description = "Whether tables refuse to be deleted, and buckets to be deleted with what is in them."
  type        = bool
  default     = true

  validation {
    condition     = var.deletion_protection || var.environment != "prod"
    error_message = "deletion_protection must stay on in prod: docs/deploying.md says how prod is taken down for good."
  }
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827], var.log_retention_days)
    error_message = "log_retention_days must be a number of days that CloudWatch Logs knows: 7, 14, 30, 90, 365, ..."
  }
}

variable "vpc_cidr" {
  description = "Addresses of the environment's network, /16 to /22."
  type        = string
  default     = "10.40.0.0/16"

  validation {
    condition     = can(cidrnetmask(var.vpc_cidr)) && try(tonumber(split("/", var.vpc_cidr)[1]) >= 16 && tonumber(split("/", var.vpc_cidr)[1]) <= 22, false)
    error_message = "vpc_cidr must be an IPv4 range from /16 to /22."
  }
}

variable "egress" {
  description = "How hosts reach AWS: nat (and through it the internet, for images of any registry), or endpoints (AWS only, images from ECR or S3)."
  type        = string
  default     = "nat"

  validation {
    condition     = contains(["nat", "endpoints"], var.egress)
    error_message = "egress must be nat or endpoints."
  }
}

variable "nat_gateways" {
  description = "NAT gateways, with egress = nat: 1 for all zones, or 2, one for each, so that a zone's end does not take the other with it."
  type        = number
  default     = 1

  validation {
    condition     = contains([1, 2], var.nat_gateways)
    error_message = "nat_gateways must be 1 or 2."
  }
}

variable "host_ingress_cidrs" {
  description = "From where the applications' ports on the hosts (20000 to 29999) are reached; none: from nowhere."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for range in var.host_ingress_cidrs : can(cidrnetmask(range)) && range != "0.0.0.0/0"])
    error_message = "host_ingress_cidrs must be IPv4 ranges, and not the whole internet: put a load balancer before the hosts."
  }
}

variable "architecture" {
  description = "Of the Lambda functions: arm64 (a fifth cheaper) or x86_64. The package given as lambda_zip must be built for it."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be arm64 or x86_64."
  }
}

variable "reserved_concurrency" {
  description = "Lambda concurrency reserved by function, as a lower and an upper bound; a function that is not named shares the account's."
  type        = map(number)
  default     = {}

  validation {
    condition = alltrue([for name, number in var.reserved_concurrency : number >= 1 && contains([
    "trigger", "validate", "measure", "place", "outcome", "finish", "request", "verify-report", "fail", "monitor"], name)])
    error_message = "reserved_concurrency must name functions of the pipeline, with 1 or more each."
  }
}

variable "driver" {
  description = "What runs enclaves on the hosts: nitro, or emulator, which proves nothing about hardware."
  type        = string
  default     = "nitro"

  validation {
    condition     = contains(["nitro", "emulator"], var.driver)
    error_message = "driver must be nitro or emulator."
  }
  validation {
    condition     = var.driver == "nitro" || var.environment != "prod"
    error_message = "driver must be nitro in prod: the emulator proves nothing about hardware."
  }
}

variable "trust_roots" {
  description = "Certificates (PEM) that evidence may stand on besides AWS's root: of a development CA."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for root in var.trust_roots : can(regex("^-----BEGIN CERTIFICATE-----\\n[A-Za-z0-9+/=\\n]+-----END CERTIFICATE-----\\n?$", root))])
    error_message = "trust_roots must hold one PEM certificate each."
  }
  validation {
    condition     = length(var.trust_roots) == 0 || var.environment != "prod"
    error_message = "trust_roots must be empty in prod: evidence stands on AWS's root there, which is built in."
  }
}

variable "emulated" {
  description = "Whether the account is an emulated one, reached by AWS_ENDPOINT_URL: its credentials are not checked, its buckets addressed by path."
  type        = bool
  default     = false

  validation {
    condition     = !var.emulated || var.environment != "prod"
    error_message = "emulated must be false in prod."
  }
}

locals {
  prefix = "treza-${var.environment}"

  # Of every resource. What costs are told apart by has to be activated once in the billing console (docs/costs.md).
  tags = merge(var.tags, {
    Project             = "treza"
    Environment         = var.environment
    CostCenter          = var.cost_center
    ManagedBy           = "terraform"
    "treza:environment" = var.environment
  })
}
