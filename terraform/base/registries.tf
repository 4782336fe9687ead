# Where images are: the runner's, those of rows, and those of other registries that are pulled through this one.

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

# Images of another registry, by this account's: hosts without a way to the internet reach them too, and passwords stay here.
# Row: <account>.dkr.ecr.<region>.amazonaws.com/treza-<environment>-<name>/library/nginx:alpine.
resource "aws_ecr_pull_through_cache_rule" "upstream" {
  for_each              = var.upstream_registries
  ecr_repository_prefix = "${local.prefix}-${each.key}"
  upstream_registry_url = each.value.url
  credential_arn        = each.value.credentials ? aws_secretsmanager_secret.upstream[each.key].arn : null

  # ECR looks whether it can read the secret.
  depends_on = [aws_secretsmanager_secret_version.upstream]
}

resource "aws_secretsmanager_secret" "upstream" {
  #checkov:skip=CKV_AWS_149:ECR reads it with Secrets Manager's own key only.
  #checkov:skip=CKV2_AWS_57:What another registry takes as a password is not ours to rotate.
  for_each = { for name, registry in var.upstream_registries : name => registry if registry.credentials }
  # ECR reads secrets under this name only.
  name                    = "ecr-pullthroughcache/${local.prefix}-${each.key}"
  description             = "User name and access token for ${each.value.url}."
  recovery_window_in_days = var.deletion_protection ? 30 : 0
}

# The value is put there by hand, and is in no state: see README.md.
resource "aws_secretsmanager_secret_version" "upstream" {
  for_each      = aws_secretsmanager_secret.upstream
  secret_id     = each.value.id
  secret_string = jsonencode({ username = "replace", accessToken = "replace" })

  lifecycle {
    ignore_changes = [secret_string]
  }
}
