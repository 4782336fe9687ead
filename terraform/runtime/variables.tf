# Besides those of environment.tf.

variable "lambda_zip" {
  description = "The functions' package: a zip with `bootstrap`, static, for the architecture."
  type        = string

  validation {
    condition     = fileexists(var.lambda_zip)
    error_message = "lambda_zip must be the path of a file that is there."
  }
}

variable "host_package" {
  description = "The hosts' package, as scripts/package.sh makes it."
  type        = string

  validation {
    condition     = fileexists(var.host_package)
    error_message = "host_package must be the path of a file that is there."
  }
}

variable "bundles" {
  description = "Bundles that rows may run with, the default first: digest (sha256:...) and the file that `treza-eif bundle export` wrote."
  type        = list(object({ digest = string, file = string }))

  validation {
    condition     = length(var.bundles) >= 1 && alltrue([for bundle in var.bundles : can(regex("^sha256:[0-9a-f]{64}$", bundle.digest)) && fileexists(bundle.file)])
    error_message = "bundles must hold one bundle or more: a digest sha256:... and a file that is there."
  }
}

variable "runner_image" {
  description = "The runner's image, with its digest."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9./:_-]*@sha256:[0-9a-f]{64}$", var.runner_image))
    error_message = "runner_image must name its digest: registry/name@sha256:..."
  }
}

variable "machines_dir" {
  description = "Where the state machines' definitions stand, from here."
  type        = string
  default     = "../../provisioner/machines"
}

variable "eif_buckets" {
  description = "Buckets of finished EIFs that rows may name."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for bucket in var.eif_buckets : can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", bucket))])
    error_message = "eif_buckets must be names of buckets."
  }
}

variable "more_endpoints" {
  description = "Services with interface endpoints besides those that hosts need, with egress = endpoints: sqs, sns, states, secretsmanager."
  type        = set(string)
  default     = []
}

variable "ami_id" {
  description = "The hosts' image; null: the newest Amazon Linux 2023."
  type        = string
  default     = null

  validation {
    condition     = var.ami_id == null || can(regex("^ami-[0-9a-f]{8,17}$", var.ami_id))
    error_message = "ami_id must be an image's id, or null."
  }
}

variable "measure_task_bytes" {
  description = "Compressed size above which an image is measured by a task, not by a function."
  type        = number
  default     = 268435456

  validation {
    condition     = var.measure_task_bytes >= 1048576
    error_message = "measure_task_bytes must be 1048576 or more."
  }
}

variable "evidence_wait" {
  description = "How a deployment waits for evidence: seconds between looks, and looks at most. 15 minutes: an image is fetched, built and booted."
  type        = object({ seconds = number, looks = number })
  default     = { seconds = 10, looks = 90 }

  validation {
    condition     = var.evidence_wait.seconds >= 1 && var.evidence_wait.looks >= 1 && var.evidence_wait.seconds * var.evidence_wait.looks <= 7200
    error_message = "evidence_wait must be 1 second and 1 look or more, and 2 hours at most altogether."
  }
}

variable "stop_wait" {
  description = "How a pause or an end waits for the host: seconds between looks, and looks at most. After that a host is taken down without its word."
  type        = object({ seconds = number, looks = number })
  default     = { seconds = 5, looks = 60 }

  validation {
    condition     = var.stop_wait.seconds >= 1 && var.stop_wait.looks >= 1 && var.stop_wait.seconds * var.stop_wait.looks <= 3600
    error_message = "stop_wait must be 1 second and 1 look or more, and 1 hour at most altogether."
  }
}

variable "log_filter" {
  description = "What functions and runner log: RUST_LOG."
  type        = string
  default     = "info"

  validation {
    condition     = can(regex("^[a-z0-9_:=,]+$", var.log_filter))
    error_message = "log_filter must be a filter of tracing: info, or info,provisioner=debug."
  }
}
