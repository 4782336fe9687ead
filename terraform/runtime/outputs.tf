locals {
  outputs = {
    rows_table             = local.base.rows.name
    reports_table          = local.base.reports.name
    turns_table            = local.base.turns.name
    topic_arn              = local.base.topic_arn
    bundles_uri            = local.bundles_uri
    bundles                = local.bundle_digests
    machine_arns           = { for name, machine in module.machine : name => machine.arn }
    function_names         = { for name, function in module.function : name => function.name }
    failed_queue_urls      = { for name, queue in aws_sqs_queue.failed : name => queue.url }
    cluster_arn            = module.runner.cluster_arn
    runner_log_group       = module.runner.log_group
    dashboard              = module.monitoring.dashboard_name
    host_subnet_ids        = module.network.host_subnet_ids
    host_security_group_id = module.network.host_security_group_id
    vpc_id                 = module.network.vpc_id
  }
}

output "runtime" {
  description = "All that the command reads: the JSON of the parameter /treza/<environment>/runtime."
  value       = local.outputs
}

output "host_variables" {
  description = "What the runner gives terraform/host for every row, as JSON."
  value       = jsonencode(local.host_variables)
}

output "alarm_names" {
  description = "Every alarm."
  value       = module.monitoring.alarm_names
}
