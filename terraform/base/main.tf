# What is kept: state, registries, tables, keys, artifacts, and what watches over the account. runtime comes and goes above it.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  root      = "arn:${local.partition}:iam::${local.account}:root"
  # Names of buckets are everyone's.
  suffix = "${local.account}-${var.region}"
}

module "state" {
  source        = "../modules/bucket"
  name          = "${local.prefix}-state-${local.suffix}"
  kms_key_arn   = aws_kms_key.state.arn
  force_destroy = !var.deletion_protection
}

module "artifacts" {
  source        = "../modules/bucket"
  name          = "${local.prefix}-artifacts-${local.suffix}"
  kms_key_arn   = aws_kms_key.data.arn
  force_destroy = !var.deletion_protection
}

module "runner_registry" {
  source       = "../modules/registry"
  name         = "${local.prefix}-runner"
  kms_key_arn  = aws_kms_key.data.arn
  force_delete = !var.deletion_protection
}

# For the images of rows: whoever has no registry pushes here.
module "image_registry" {
  source       = "../modules/registry"
  for_each     = var.repositories
  name         = "${local.prefix}-${each.value}"
  kms_key_arn  = aws_kms_key.data.arn
  force_delete = !var.deletion_protection
}

module "tables" {
  source              = "../modules/tables"
  prefix              = local.prefix
  existing_rows_table = var.existing_rows_table
  kms_key_arn         = aws_kms_key.data.arn
  deletion_protection = var.deletion_protection
}

module "boundary" {
  source            = "../modules/boundary"
  prefix            = local.prefix
  rows_table_arn    = module.tables.rows.arn
  reports_table_arn = module.tables.reports.arn
  kms_key_arn       = aws_kms_key.data.arn
}

module "trail" {
  source        = "../modules/trail"
  count         = var.cloudtrail ? 1 : 0
  prefix        = local.prefix
  kms_key_arn   = aws_kms_key.data.arn
  force_destroy = !var.deletion_protection
}

# Docker's config.json for registries that ask for a password. The value is put there by hand (aws secretsmanager
# put-secret-value), so that it is in no state and no variable.
resource "aws_secretsmanager_secret" "registries" {
  #checkov:skip=CKV2_AWS_57:What a registry accepts as a password is not ours to rotate.
  count                   = var.registry_credentials ? 1 : 0
  name                    = "${local.prefix}/registries"
  description             = "Docker's config.json, for registries that ask for a password."
  kms_key_id              = aws_kms_key.data.arn
  recovery_window_in_days = var.deletion_protection ? 30 : 0
}

# What runtime and the command read.
resource "aws_ssm_parameter" "base" {
  #checkov:skip=CKV2_AWS_34:Names and ARNs; no secret.
  name        = "/treza/${var.environment}/base"
  description = "What terraform/base made, as JSON: read by terraform/runtime and by treza."
  type        = "String"
  value       = jsonencode(local.outputs)
}
