variable "prefix" {
  description = "What the names of trail and bucket begin with."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,24}$", var.prefix))
    error_message = "prefix must be 3 to 25 lower-case letters, digits and hyphens."
  }
}

variable "kms_key_arn" {
  description = "The key that encrypts the trail; its policy lets CloudTrail use it."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key."
  }
}

variable "retention_days" {
  description = "Days that the trail's files are kept."
  type        = number
  default     = 365

  validation {
    condition     = var.retention_days >= 90
    error_message = "retention_days must be 90 or more."
  }
}

variable "force_destroy" {
  description = "Whether the bucket is deleted with what is in it."
  type        = bool
  default     = false
}
