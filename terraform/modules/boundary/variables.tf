variable "prefix" {
  description = "What the policy's name begins with."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.prefix))
    error_message = "prefix must be 3 to 31 lower-case letters, digits and hyphens."
  }
}

variable "rows_table_arn" {
  description = "The table of rows."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:dynamodb:", var.rows_table_arn))
    error_message = "rows_table_arn must be the ARN of a DynamoDB table."
  }
}

variable "reports_table_arn" {
  description = "The table of reports."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:dynamodb:", var.reports_table_arn))
    error_message = "reports_table_arn must be the ARN of a DynamoDB table."
  }
}

variable "kms_key_arn" {
  description = "The key that encrypts tables and artifacts."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key."
  }
}
