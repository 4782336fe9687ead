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

variable "upstream_registries" {
  description = "Other registries whose images are pulled through ECR: url, and whether there are credentials (a secret). As docker-hub = { url = \"registry-1.docker.io\", credentials = true }."
  type        = map(object({ url = string, credentials = optional(bool, false) }))
  default     = {}

  validation {
    condition = alltrue([for name, registry in var.upstream_registries :
    can(regex("^[a-z][a-z0-9-]{1,10}$", name)) && can(regex("^[a-z0-9.-]+(/[a-z0-9._-]+)*$", registry.url))])
    error_message = "upstream_registries must have names of 2 to 11 lower-case letters, digits and hyphens, and urls as ECR takes them: registry-1.docker.io, public.ecr.aws, ghcr.io, quay.io."
  }
}
