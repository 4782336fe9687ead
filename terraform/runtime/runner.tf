# The runner, and what it tells terraform/host for every row.

locals {
  host_variables = {
    environment              = var.environment
    rows_table_arn           = local.base.rows.arn
    reports_table_arn        = local.base.reports.arn
    subnet_ids               = module.network.host_subnet_ids
    security_group_ids       = [module.network.host_security_group_id]
    permissions_boundary_arn = local.base.permissions_boundary_arn
    package_uri              = "s3://${aws_s3_object.package.bucket}/${aws_s3_object.package.key}"
    package_sha256           = filesha256(var.host_package)
    bundles_uri              = local.bundles_uri
    bundles                  = local.bundle_digests
    driver                   = var.driver
    log_retention_days       = var.log_retention_days
    kms_key_arn              = local.base.kms_key_arn
    ami_id                   = var.ami_id
    tags                     = local.tags
  }
}

module "runner" {
  source         = "../modules/runner"
  prefix         = local.prefix
  environment    = var.environment
  image          = var.runner_image
  repository_arn = local.base.runner_repository_arn
  # Terraform and its provider are in the image: those of this architecture (scripts/runner-image.sh).
  architecture = "x86_64"
  container_environment = merge(local.environment_of_all, {
    TREZA_STATE_BUCKET   = local.base.state_bucket
    TREZA_STATE_KMS_KEY  = local.base.state_kms_key_arn
    TREZA_HOST_VARIABLES = jsonencode(local.host_variables)
  })
  permissions_boundary_arn = local.base.permissions_boundary_arn
  state_bucket_arn         = "arn:${local.partition}:s3:::${local.base.state_bucket}"
  state_kms_key_arn        = local.base.state_kms_key_arn
  rows_table_arn           = local.base.rows.arn
  turns_table_arn          = local.base.turns.arn
  host_subnet_ids          = module.network.host_subnet_ids
  host_security_group_id   = module.network.host_security_group_id
  image_statements         = jsonencode(local.read_images)
  log_retention_days       = var.log_retention_days
  kms_key_arn              = local.base.kms_key_arn
}
