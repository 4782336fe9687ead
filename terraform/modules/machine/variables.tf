variable "prefix" {
  description = "What the machine's name begins with; also the cluster's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.prefix))
    error_message = "prefix must be 3 to 31 lower-case letters, digits and hyphens."
  }
}

variable "machine" {
  description = "Which machine: the end of its name."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2,20}$", var.machine))
    error_message = "machine must be lower-case letters."
  }
}

variable "environment" {
  description = "The environment's name: the tag treza:environment of the instances that it may stop and start."
  type        = string
}

variable "definition" {
  description = "The machine in Amazon States Language, rendered."
  type        = string

  validation {
    condition     = can(jsondecode(var.definition).StartAt) && can(jsondecode(var.definition).TimeoutSeconds)
    error_message = "definition must be a state machine in JSON, with a time limit of its own (TimeoutSeconds)."
  }
}

variable "function_arns" {
  description = "The functions that a definition may name."
  type        = list(string)
}

variable "task" {
  description = "The runner: cluster, task definition without its revision, and the roles that a task is given."
  type        = object({ cluster_arn = string, definition_arn_without_revision = string, role_arns = list(string) })
}

variable "topic_arn" {
  description = "The topic that a definition may publish to."
  type        = string
}

variable "log_retention_days" {
  description = "Days that executions' logs are kept."
  type        = number

  validation {
    condition     = var.log_retention_days >= 1
    error_message = "log_retention_days must be 1 or more."
  }
}

variable "kms_key_arn" {
  description = "The key that encrypts the logs."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key."
  }
}
