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

# What runtime and the command read.
resource "aws_ssm_parameter" "base" {
  #checkov:skip=CKV2_AWS_34:Names and ARNs; no secret.
  name        = "/treza/${var.environment}/base"
  description = "What terraform/base made, as JSON: read by terraform/runtime."
  type        = "String"
  value       = jsonencode(local.outputs)
}
