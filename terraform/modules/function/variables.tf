variable "prefix" {
  description = "What the function's name begins with."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.prefix))
    error_message = "prefix must be 3 to 31 lower-case letters, digits and hyphens."
  }
}

variable "function" {
  description = "Which function of the package: the handler, and the end of the name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z-]{1,30}$", var.function))
    error_message = "function must be lower-case letters and hyphens."
  }
}

variable "description" {
  description = "What it does, for people."
  type        = string
}

variable "package" {
  description = "The package in S3: bucket, key, and the base64 of its SHA-256."
  type        = object({ bucket = string, key = string, hash = string })
}

variable "architecture" {
  description = "arm64 or x86_64: what the package was built for."
  type        = string

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be arm64 or x86_64."
  }
}

variable "timeout_seconds" {
  description = "How long one invocation may take."
  type        = number

  validation {
    condition     = var.timeout_seconds >= 1 && var.timeout_seconds <= 900
    error_message = "timeout_seconds must be 1 to 900."
  }
}

variable "memory_mib" {
  description = "Memory; the share of a CPU goes with it."
  type        = number

  validation {
    condition     = var.memory_mib >= 128 && var.memory_mib <= 10240
    error_message = "memory_mib must be 128 to 10240."
  }
}

variable "storage_mib" {
  description = "Room in /tmp."
  type        = number
  default     = 512

  validation {
    condition     = var.storage_mib >= 512 && var.storage_mib <= 10240
    error_message = "storage_mib must be 512 to 10240."
  }
}

variable "reserved_concurrency" {
  description = "Invocations at once, reserved and at most; -1: the account's."
  type        = number
  default     = -1

  validation {
    condition     = var.reserved_concurrency == -1 || var.reserved_concurrency >= 1
    error_message = "reserved_concurrency must be -1, or 1 or more."
  }
}

variable "environment" {
  description = "Environment variables. No secrets."
  type        = map(string)
}

variable "statements" {
  description = "The role's permissions besides logs and traces, as a JSON list of statements."
  type        = string
  default     = "[]"

  validation {
    condition     = can([for statement in jsondecode(var.statements) : "${statement.Effect}${jsonencode(statement.Resource)}"])
    error_message = "statements must be a JSON list of policy statements."
  }
}

variable "log_retention_days" {
  description = "Days that its logs are kept."
  type        = number

  validation {
    condition     = var.log_retention_days >= 1
    error_message = "log_retention_days must be 1 or more."
  }
}

variable "kms_key_arn" {
  description = "The key that encrypts its logs."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key."
  }
}
