terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  # The runner gives bucket, key and region to `terraform init`.
  backend "s3" {}
}

# Region and credentials are those of the runner's task. Tags stand with each resource: default tags would be written to the
# disk by a call of its own, which the runner has no permission for.
provider "aws" {
  # A zone without capacity answers 500, which the provider's own 25 tries would take for minutes: the runner tries the next zone.
  max_retries = 4
}
