# Of the row: by the runner, from what was validated and measured.

variable "id" {
  description = "The row's id."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.id))
    error_message = "id must match [A-Za-z0-9_-]{1,64}."
  }
}

variable "instance_type" {
  description = "The instance's type; it must be able to run enclaves."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,15}\\.[a-z0-9-]{2,16}$", var.instance_type))
    error_message = "instance_type must be a type of EC2: m6i.xlarge."
  }
}

variable "zone_index" {
  description = "Which of subnet_ids: another one is tried where a zone has no capacity."
  type        = number
  default     = 0

  validation {
    condition     = var.zone_index >= 0 && floor(var.zone_index) == var.zone_index
    error_message = "zone_index must be 0 or more."
  }
}

variable "image_repository_arn" {
  description = "The ECR repository of the row's image; null: it is elsewhere."
  type        = string
  default     = null

  validation {
    condition     = var.image_repository_arn == null || can(regex("^arn:[a-z-]+:ecr:[a-z0-9-]+:[0-9]{12}:repository/[a-z0-9][a-z0-9._/-]{0,255}$", var.image_repository_arn))
    error_message = "image_repository_arn must be the ARN of one ECR repository."
  }
}

variable "image_object_arn" {
  description = "The S3 object of the row's EIF; null: it has none."
  type        = string
  default     = null

  validation {
    # No wildcard and no policy variable: it stands in the role's policy.
    condition     = var.image_object_arn == null || can(regex("^arn:[a-z-]+:s3:::[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[^*?$\\x00-\\x1f\\x7f]+$", var.image_object_arn))
    error_message = "image_object_arn must be the ARN of one S3 object, without * ? and $."
  }
}

variable "aws_services" {
  description = "The AWS services that the row names."
  type        = list(string)
  default     = []

  validation {
    condition = alltrue([for service in var.aws_services : contains(
    ["dynamodb", "kms", "logs", "s3", "secretsmanager", "sns", "sqs", "ssm", "states", "sts"], service)])
    error_message = "aws_services must be services that a row may name."
  }
  validation {
    condition     = length(var.aws_services) == length(toset(var.aws_services))
    error_message = "aws_services must name each service once."
  }
}

variable "pcr0" {
  description = "PCR0 that the row's key opens to, in hexadecimal; null where the row does not ask for kms."
  type        = string
  default     = null

  validation {
    # All zeroes is a debug enclave's.
    condition     = var.pcr0 == null || (can(regex("^[0-9a-f]{96}$", var.pcr0)) && !can(regex("^0{96}$", var.pcr0)))
    error_message = "pcr0 must be 96 hexadecimal digits, and not those of a debug enclave."
  }
}

variable "pcr16" {
  description = "PCR16 that the row's key opens to: that of its launch message."
  type        = string
  default     = null

  validation {
    condition     = var.pcr16 == null || (can(regex("^[0-9a-f]{96}$", var.pcr16)) && !can(regex("^0{96}$", var.pcr16)))
    error_message = "pcr16 must be 96 hexadecimal digits, and not those of an enclave that took no launch message."
  }
}

variable "volume_gib" {
  description = "The instance's disk: system, image, EIF."
  type        = number
  default     = 30

  validation {
    condition     = var.volume_gib >= 8 && var.volume_gib <= 1024
    error_message = "volume_gib must be 8 to 1024."
  }
}

# The same for every row: terraform/runtime renders them for the runner.

variable "environment" {
  description = "The environment's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,11}$", var.environment))
    error_message = "environment must match [a-z][a-z0-9-]{1,11}."
  }
}

variable "rows_table_arn" {
  description = "The table of rows."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:dynamodb:[a-z0-9-]+:[0-9]{12}:table/[A-Za-z0-9_.-]{3,255}$", var.rows_table_arn))
    error_message = "rows_table_arn must be the ARN of a DynamoDB table."
  }
}

variable "reports_table_arn" {
  description = "The table of reports."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:dynamodb:[a-z0-9-]+:[0-9]{12}:table/[A-Za-z0-9_.-]{3,255}$", var.reports_table_arn))
    error_message = "reports_table_arn must be the ARN of a DynamoDB table."
  }
}

variable "subnet_ids" {
  description = "Private subnets, one a zone."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 1
    error_message = "subnet_ids must not be empty."
  }
}

variable "security_group_ids" {
  description = "The hosts' security groups."
  type        = list(string)

  validation {
    condition     = length(var.security_group_ids) >= 1
    error_message = "security_group_ids must not be empty: the network's default group lets nothing through."
  }
}

variable "permissions_boundary_arn" {
  description = "The permissions boundary of every host's role."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:iam::[0-9]{12}:policy/", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be the ARN of a policy."
  }
}

variable "package_uri" {
  description = "The hosts' package: s3://bucket/key of a tar.gz."
  type        = string

  validation {
    condition     = can(regex("^s3://[a-z0-9.-]+/[A-Za-z0-9._/-]+$", var.package_uri))
    error_message = "package_uri must be s3://bucket/key."
  }
}

variable "package_sha256" {
  description = "The package's SHA-256, in hexadecimal."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{64}$", var.package_sha256))
    error_message = "package_sha256 must be 64 hexadecimal digits."
  }
}

variable "bundles_uri" {
  description = "Where bundles are: s3://bucket/prefix/, each as <hex>.tar."
  type        = string

  validation {
    condition     = can(regex("^s3://[a-z0-9.-]+/([A-Za-z0-9._-]+/)*$", var.bundles_uri))
    error_message = "bundles_uri must be s3://bucket/prefix/."
  }
}

variable "bundles" {
  description = "Bundles to install, by digest; the first is the default."
  type        = list(string)

  validation {
    condition     = length(var.bundles) >= 1 && alltrue([for digest in var.bundles : can(regex("^sha256:[0-9a-f]{64}$", digest))])
    error_message = "bundles must hold one digest sha256:... or more."
  }
}

variable "driver" {
  description = "What runs the enclaves: nitro or emulator."
  type        = string
  default     = "nitro"

  validation {
    condition     = contains(["nitro", "emulator"], var.driver)
    error_message = "driver must be nitro or emulator."
  }
  validation {
    condition     = var.driver == "nitro" || var.environment != "prod"
    error_message = "driver must be nitro in prod."
  }
}

variable "log_retention_days" {
  description = "Days that the row's logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = var.log_retention_days >= 1
    error_message = "log_retention_days must be 1 or more."
  }
}

variable "kms_key_arn" {
  description = "The key that encrypts the disk and the logs."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:kms:", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a KMS key."
  }
}

variable "ami_id" {
  description = "The image; null: the newest Amazon Linux 2023."
  type        = string
  default     = null

  validation {
    condition     = var.ami_id == null || can(regex("^ami-[0-9a-f]{8,17}$", var.ami_id))
    error_message = "ami_id must be an image's id, or null."
  }
}

variable "tags" {
  description = "Tags of every resource, besides Name, treza:id and treza:environment."
  type        = map(string)
  default     = {}
}
