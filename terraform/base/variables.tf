# Besides those of environment.tf.

variable "existing_rows_table" {
  description = "Name of a table of rows that is there already (the web application's); null: treza-<environment>-enclaves is made."
  type        = string
  default     = null
}

variable "repositories" {
  description = "ECR repositories for the images of rows, each named treza-<environment>-<name>."
  type        = set(string)
  default     = ["images"]

  validation {
    condition     = alltrue([for name in var.repositories : can(regex("^[a-z0-9]+(-[a-z0-9]+)*$", name)) && name != "runner"])
    error_message = "repositories must be names of lower-case letters, digits and single hyphens; runner is taken."
  }
}

variable "registry_credentials" {
  description = "Whether there is a secret for the credentials of registries other than ECR."
  type        = bool
  default     = false
}
