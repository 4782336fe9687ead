variable "prefix" {
  description = "What the tables' names begin with."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.prefix))
    error_message = "prefix must be 3 to 31 lower-case letters, digits and hyphens."
  }
}

variable "existing_rows_table" {
  description = "Name of a table of rows that is there already; null: one is made."
  type        = string
  default     = null

  validation {
    condition     = var.existing_rows_table == null || can(regex("^[A-Za-z0-9_.-]{3,255}$", var.existing_rows_table))
    error_message = "existing_rows_table must be a table's name."
  }
}

variable "kms_key_arn" {
  description = "The key that encrypts the tables."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key."
  }
}

variable "deletion_protection" {
  description = "Whether the tables refuse to be deleted."
  type        = bool
  default     = true
}
