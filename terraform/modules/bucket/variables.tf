variable "name" {
  description = "The bucket's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 63 lower-case letters, digits and hyphens."
  }
}

variable "kms_key_arn" {
  description = "The key that encrypts the objects."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key."
  }
}

variable "noncurrent_days" {
  description = "Days that an object's earlier versions are kept."
  type        = number
  default     = 90

  validation {
    condition     = var.noncurrent_days >= 1
    error_message = "noncurrent_days must be 1 or more."
  }
}

variable "expire_days" {
  description = "Days after which objects are deleted; null: never."
  type        = number
  default     = null

  validation {
    condition     = var.expire_days == null || try(var.expire_days >= 1, false)
    error_message = "expire_days must be 1 or more, or null."
  }
}

variable "force_destroy" {
  description = "Whether the bucket is deleted with what is in it."
  type        = bool
  default     = false
}

variable "statements" {
  description = "Further statements of the bucket's policy, as a JSON list."
  type        = string
  default     = "[]"

  validation {
    condition     = can([for statement in jsondecode(var.statements) : statement.Effect])
    error_message = "statements must be a JSON list of policy statements."
  }
}
