locals {
  outputs = {
    rows                     = module.tables.rows
    existing_rows_table      = var.existing_rows_table
    reports                  = module.tables.reports
    turns                    = module.tables.turns
    state_bucket             = module.state.name
    state_kms_key_arn        = aws_kms_key.state.arn
    artifact_bucket          = module.artifacts.name
    artifact_bucket_arn      = module.artifacts.arn
    kms_key_arn              = aws_kms_key.data.arn
    topic_arn                = aws_sns_topic.alerts.arn
    permissions_boundary_arn = module.boundary.arn
    runner_repository_url    = module.runner_registry.url
    runner_repository_arn    = module.runner_registry.arn
    image_repository_urls    = { for name, repository in module.image_registry : name => repository.url }
    upstream_repository_arns = [for rule in aws_ecr_pull_through_cache_rule.upstream : "arn:${local.partition}:ecr:${var.region}:${local.account}:repository/${rule.ecr_repository_prefix}/*"]
  }
}

output "base" {
  description = "All that runtime and the command read: the JSON of the parameter /treza/<environment>/base."
  value       = local.outputs
}

output "backend" {
  description = "Arguments for `terraform init -backend-config=FILE`, without the key: base.tfstate, runtime.tfstate."
  value       = <<-CONFIG
    bucket       = "${module.state.name}"
    region       = "${var.region}"
    kms_key_id   = "${aws_kms_key.state.arn}"
    encrypt      = true
    use_lockfile = true
  CONFIG
}

output "runner_repository_url" {
  description = "Where the runner's image is pushed."
  value       = module.runner_registry.url
}

output "image_repository_urls" {
  description = "Where images of rows may be pushed, by name."
  value       = { for name, repository in module.image_registry : name => repository.url }
}

output "trail_arn" {
  description = "The trail's ARN; null without one."
  value       = one(module.trail[*].arn)
}
