# One state machine. Its role is worked out of its definition: what the definition does not call, the role may not.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  name      = "${var.prefix}-${var.machine}"
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name

  tasks = "arn:${local.partition}:ecs:${local.region}:${local.account}:task/${var.prefix}/*"

  functions = [for arn in var.function_arns : arn if strcontains(var.definition, "\"${arn}\"")]
  runs_task = strcontains(var.definition, ":states:::ecs:runTask.sync\"")
  changes   = [for call in ["startInstances", "stopInstances"] : "ec2:${title(call)}" if strcontains(var.definition, ":aws-sdk:ec2:${call}\"")]

  permissions = [
    {
      # lambda:invoke of the functions that the definition names.
      needed    = length(local.functions) > 0
      statement = { Sid = "Invoke", Effect = "Allow", Action = "lambda:InvokeFunction", Resource = local.functions }
    },
    {
      # ecs:runTask of the runner, in its cluster.
      needed = local.runs_task
      statement = {
        Sid       = "RunTask"
        Effect    = "Allow"
        Action    = "ecs:RunTask"
        Resource  = "${var.task.definition_arn_without_revision}:*"
        Condition = { ArnEquals = { "ecs:cluster" = var.task.cluster_arn } }
      }
    },
    {
      # ecs:runTask with PropagateTags: RunTask tags the task.
      needed = local.runs_task
      statement = {
        Sid       = "TagTask"
        Effect    = "Allow"
        Action    = "ecs:TagResource"
        Resource  = local.tasks
        Condition = { StringEquals = { "ecs:CreateAction" = "RunTask" } }
      }
    },
    {
      # .sync asks after the task (DescribeTasks), and stops it (StopTask) when the state times out or is aborted.
      needed = local.runs_task
      statement = {
        Sid       = "FollowTask"
        Effect    = "Allow"
        Action    = ["ecs:DescribeTasks", "ecs:StopTask"]
        Resource  = local.tasks
        Condition = { ArnEquals = { "ecs:cluster" = var.task.cluster_arn } }
      }
    },
    {
      # ecs:runTask hands the task its two roles.
      needed = local.runs_task
      statement = {
        Sid       = "PassTaskRoles"
        Effect    = "Allow"
        Action    = "iam:PassRole"
        Resource  = var.task.role_arns
        Condition = { StringEquals = { "iam:PassedToService" = "ecs-tasks.amazonaws.com" } }
      }
    },
    {
      # .sync learns of the task's end by a rule that Step Functions keeps in the account.
      needed = local.runs_task
      statement = {
        Sid      = "TaskEvents"
        Effect   = "Allow"
        Action   = ["events:PutRule", "events:PutTargets", "events:DescribeRule"]
        Resource = "arn:${local.partition}:events:${local.region}:${local.account}:rule/StepFunctionsGetEventsForECSTaskRule"
      }
    },
    {
      # ec2:describeInstances by tag: takes no resource.
      needed    = strcontains(var.definition, ":aws-sdk:ec2:describeInstances\"")
      statement = { Sid = "FindInstances", Effect = "Allow", Action = "ec2:DescribeInstances", Resource = "*" }
    },
    {
      # ec2:startInstances, ec2:stopInstances, of this environment's hosts.
      needed = length(local.changes) > 0
      statement = {
        Sid       = "PauseInstances"
        Effect    = "Allow"
        Action    = local.changes
        Resource  = "arn:${local.partition}:ec2:${local.region}:${local.account}:instance/*"
        Condition = { StringEquals = { "aws:ResourceTag/treza:environment" = var.environment } }
      }
    },
    {
      # sns:publish.
      needed    = strcontains(var.definition, ":states:::sns:publish\"")
      statement = { Sid = "Notify", Effect = "Allow", Action = "sns:Publish", Resource = var.topic_arn }
    },
    {
      # Delivery of the executions' logs: these calls take no resource.
      needed = true
      statement = {
        Sid    = "LogDelivery"
        Effect = "Allow"
        Action = [
          "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery", "logs:ListLogDeliveries",
          "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
        ]
        Resource = "*"
      }
    },
    {
      # X-Ray: these calls take no resource.
      needed = true
      statement = {
        Sid      = "Traces"
        Effect   = "Allow"
        Action   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords", "xray:GetSamplingRules", "xray:GetSamplingTargets"]
        Resource = "*"
      }
    },
  ]
}

resource "aws_cloudwatch_log_group" "this" {
  # Step Functions keeps its permission to write in a policy of limited length, which names under this prefix do not use up.
  name              = "/aws/vendedlogs/states/${local.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_iam_role" "this" {
  name = "${local.name}-machine"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "states.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  #checkov:skip=CKV_AWS_290:What stands on "*" takes no resource: log delivery, traces, DescribeInstances.
  #checkov:skip=CKV_AWS_289:PutResourcePolicy is log delivery's own, and takes no resource.
  #checkov:skip=CKV_AWS_355:What stands on "*" takes no resource: log delivery, traces, DescribeInstances.
  name = "machine"
  role = aws_iam_role.this.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [for permission in local.permissions : permission.statement if permission.needed]
  })
}

resource "aws_sfn_state_machine" "this" {
  #checkov:skip=CKV_AWS_285:History is logged, without the data: rows may hold what only their owner should read.
  name       = local.name
  type       = "STANDARD"
  role_arn   = aws_iam_role.this.arn
  definition = var.definition

  logging_configuration {
    log_destination        = "${aws_cloudwatch_log_group.this.arn}:*"
    level                  = "ALL"
    include_execution_data = false
  }
  tracing_configuration {
    enabled = true
  }

  # Creating it writes to its log group once, to see that it can.
  depends_on = [aws_iam_role_policy.this]
}
