variable "name" {
  description = "The repository's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]+([._/-][a-z0-9]+)*$", var.name)) && length(var.name) <= 256
    error_message = "name must be a repository's name: lower-case letters and digits, with single . _ - / between."
  }
}

variable "kms_key_arn" {
  description = "The key that encrypts the images."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key."
  }
}

variable "keep" {
  description = "Images that are kept, the newest."
  type        = number
  default     = 10

  validation {
    condition     = var.keep >= 1 && var.keep <= 1000
    error_message = "keep must be 1 to 1000."
  }
}

variable "untagged_days" {
  description = "Days that an image without a tag is kept."
  type        = number
  default     = 7

  validation {
    condition     = var.untagged_days >= 1
    error_message = "untagged_days must be 1 or more."
  }
}

variable "force_delete" {
  description = "Whether the repository is deleted with its images."
  type        = bool
  default     = false
}
