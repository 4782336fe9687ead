variable "prefix" {
  description = "What the names begin with; also the cluster's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{2,30}$", var.prefix))
    error_message = "prefix must be 3 to 31 lower-case letters, digits and hyphens."
  }
}

variable "environment" {
  description = "The environment's name: the tag treza:environment, and the path of the hosts' roles."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,11}$", var.environment))
    error_message = "environment must match [a-z][a-z0-9-]{1,11}."
  }
}

variable "image" {
  description = "The runner's image, with its digest."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9./:_-]*@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image must name its digest: registry/name@sha256:..."
  }
}

variable "repository_arn" {
  description = "The ECR repository of the runner's image."
  type        = string
}

variable "architecture" {
  description = "arm64 or x86_64: what the image was built for."
  type        = string

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be arm64 or x86_64."
  }
}

variable "cpu" {
  description = "CPU units of a task (1024 a vCPU)."
  type        = number
  default     = 1024

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096], var.cpu)
    error_message = "cpu must be 256, 512, 1024, 2048 or 4096."
  }
}

variable "memory_mib" {
  description = "Memory of a task: Terraform and its provider need 1 GiB, measuring a large image 2."
  type        = number
  default     = 2048

  validation {
    condition     = var.memory_mib >= 1024
    error_message = "memory_mib must be 1024 or more."
  }
}

variable "storage_gib" {
  description = "A task's disk: provider and plan, or a large image unpacked."
  type        = number
  default     = 30

  validation {
    condition     = var.storage_gib >= 21 && var.storage_gib <= 200
    error_message = "storage_gib must be 21 to 200."
  }
}

variable "container_environment" {
  description = "The container's environment. No secrets."
  type        = map(string)
}

variable "permissions_boundary_arn" {
  description = "The permissions boundary that every role of the runner's making must have."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:iam::[0-9]+:policy/", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be the ARN of a policy."
  }
}

variable "state_bucket_arn" {
  description = "The bucket of Terraform's state."
  type        = string
}

variable "state_kms_key_arn" {
  description = "The key that encrypts the state."
  type        = string
}

variable "rows_table_arn" {
  description = "The table of rows."
  type        = string
}

variable "turns_table_arn" {
  description = "The table of the pipeline's notes."
  type        = string
}

variable "host_subnet_ids" {
  description = "Where hosts may stand."
  type        = list(string)

  validation {
    condition     = length(var.host_subnet_ids) > 0
    error_message = "host_subnet_ids must not be empty."
  }
}

variable "host_security_group_id" {
  description = "The group that hosts are given."
  type        = string
}

variable "image_statements" {
  description = "What measuring an image takes, as a JSON list of statements: the same as the function measure."
  type        = string
  default     = "[]"

  validation {
    condition     = can([for statement in jsondecode(var.image_statements) : statement.Effect])
    error_message = "image_statements must be a JSON list of policy statements."
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
  description = "The key that encrypts logs and hosts' disks."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key."
  }
}
