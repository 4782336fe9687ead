terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  # Bucket, key and region are given to `terraform init`: see README.md.
  backend "s3" {}
}

provider "aws" {
  region                      = var.region
  skip_credentials_validation = var.emulated
  s3_use_path_style           = var.emulated
  # A call that an emulated account does not know is answered with 500, and would be tried for many minutes.
  max_retries = var.emulated ? 4 : 25

  default_tags {
    tags = local.tags
  }
}
