# What comes and goes: network, functions, state machines, the runner, and what watches them. Nothing here is the only copy
# of anything; what is kept is base's.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

data "aws_ssm_parameter" "base" {
  name = "/treza/${var.environment}/base"
}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  # Not secret: names and ARNs.
  base = jsondecode(data.aws_ssm_parameter.base.insecure_value)

  function_prefix = "arn:${local.partition}:lambda:${var.region}:${local.account}:function:${local.prefix}-"
  machine_prefix  = "arn:${local.partition}:states:${var.region}:${local.account}:stateMachine:${local.prefix}-"
  machines        = toset(["deploy", "cleanup", "pause"])
}

module "network" {
  source             = "../modules/network"
  prefix             = local.prefix
  cidr               = var.vpc_cidr
  egress             = var.egress
  nat_gateways       = var.nat_gateways
  more_endpoints     = var.more_endpoints
  host_ingress_cidrs = var.host_ingress_cidrs
  log_retention_days = var.log_retention_days
  kms_key_arn        = local.base.kms_key_arn
}

module "machine" {
  source      = "../modules/machine"
  for_each    = local.machines
  prefix      = local.prefix
  machine     = each.value
  environment = var.environment
  definition = templatefile("${path.module}/${var.machines_dir}/${each.value}.asl.json", {
    function_prefix       = local.function_prefix
    cluster_arn           = module.runner.cluster_arn
    task_definition_arn   = module.runner.task_definition_arn
    subnets               = jsonencode(module.network.runner_subnet_ids)
    security_group        = module.network.runner_security_group_id
    assign_public_ip      = module.network.runner_public_ip ? "ENABLED" : "DISABLED"
    topic_arn             = local.base.topic_arn
    environment           = var.environment
    partition             = local.partition
    evidence_wait_seconds = var.evidence_wait.seconds
    evidence_looks        = var.evidence_wait.looks
    stop_wait_seconds     = var.stop_wait.seconds
    stop_looks            = var.stop_wait.looks
  })
  function_arns = [for function in module.function : function.arn]
  task = {
    cluster_arn                     = module.runner.cluster_arn
    definition_arn_without_revision = module.runner.task_definition_arn_without_revision
    role_arns                       = module.runner.role_arns
  }
  topic_arn          = local.base.topic_arn
  log_retention_days = var.log_retention_days
  kms_key_arn        = local.base.kms_key_arn
}

module "monitoring" {
  source                = "../modules/monitoring"
  prefix                = local.prefix
  environment           = var.environment
  region                = var.region
  topic_arn             = local.base.topic_arn
  function_names        = [for name in sort(keys(local.functions)) : module.function[name].name]
  stream_function_names = [module.function["trigger"].name, module.function["verify-report"].name]
  monitor_function_name = module.function["monitor"].name
  queue_names           = [for name in sort(keys(aws_sqs_queue.failed)) : aws_sqs_queue.failed[name].name]
  machine_arns          = { for name, machine in module.machine : machine.name => machine.arn }
}

# What the command reads.
resource "aws_ssm_parameter" "runtime" {
  #checkov:skip=CKV2_AWS_34:Names and ARNs; no secret.
  name        = "/treza/${var.environment}/runtime"
  description = "What terraform/runtime made, as JSON: read by treza."
  type        = "String"
  value       = jsonencode(local.outputs)
}
