variable "prefix" {
  description = "What the names begin with."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.prefix))
    error_message = "prefix must be 3 to 31 lower-case letters, digits and hyphens."
  }
}

variable "environment" {
  description = "The environment's name: the dimension Environment of the pipeline's metrics."
  type        = string
}

variable "region" {
  description = "The region that the dashboard shows."
  type        = string
}

variable "topic_arn" {
  description = "Where alarms go."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:sns:", var.topic_arn))
    error_message = "topic_arn must be the ARN of an SNS topic."
  }
}

variable "function_names" {
  description = "Every function."
  type        = list(string)

  validation {
    condition     = length(var.function_names) > 0
    error_message = "function_names must not be empty."
  }
}

variable "stream_function_names" {
  description = "Those of them that read a stream."
  type        = list(string)
}

variable "monitor_function_name" {
  description = "The one that runs each minute."
  type        = string
}

variable "queue_names" {
  description = "Queues of what could not be worked on."
  type        = list(string)
}

variable "machine_arns" {
  description = "State machines by name."
  type        = map(string)
}
