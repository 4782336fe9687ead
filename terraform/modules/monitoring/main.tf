# What goes wrong, heard within minutes. The pipeline's own numbers are metrics that its functions embed in their logs:
# namespace Treza, dimension Environment.

locals {
  # Name of the alarm: metric, and what to do.
  pipeline = {
    failures         = { metric = "RowsFailed", means = "Rows were FAILED: statusReason in each row says why." }
    stuck            = { metric = "RowsStuck", means = "Rows waited longer than their limit: look for their executions, and for their hosts' logs." }
    stale-evidence   = { metric = "EvidenceStale", means = "Enclaves gave no verified report for two minutes: look at their hosts." }
    refused-evidence = { metric = "EvidenceRefused", means = "Evidence was refused: a host or an enclave is not what it was to be. Look at the rows' attestation.reason at once." }
  }
  # Errors and throttles of each function.
  functions = merge([
    for metric in ["Errors", "Throttles"] : { for name in var.function_names : "${trimprefix(name, "${var.prefix}-")}-${lower(metric)}" => { function = name, metric = metric } }
  ]...)
}

resource "aws_cloudwatch_metric_alarm" "pipeline" {
  for_each            = local.pipeline
  alarm_name          = "${var.prefix}-${each.key}"
  alarm_description   = each.value.means
  namespace           = "Treza"
  metric_name         = each.value.metric
  dimensions          = { Environment = var.environment }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic_arn]
  ok_actions          = [var.topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "function" {
  for_each            = local.functions
  alarm_name          = "${var.prefix}-${each.key}"
  alarm_description   = "Function ${each.value.function}: ${lower(each.value.metric)}. Its log group says more."
  namespace           = "AWS/Lambda"
  metric_name         = each.value.metric
  dimensions          = { FunctionName = each.value.function }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "queue" {
  for_each            = toset(var.queue_names)
  alarm_name          = "${each.value}-depth"
  alarm_description   = "Records that could not be worked on wait in ${each.value}: docs/deploying.md says how they are looked at and sent again."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = each.value }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic_arn]
  ok_actions          = [var.topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "stream" {
  for_each            = toset(var.stream_function_names)
  alarm_name          = "${each.value}-lag"
  alarm_description   = "Function ${each.value} is more than a minute behind its table."
  namespace           = "AWS/Lambda"
  metric_name         = "IteratorAge"
  dimensions          = { FunctionName = each.value }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 3
  threshold           = 60000
  unit                = "Milliseconds"
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "machine" {
  for_each            = var.machine_arns
  alarm_name          = "${each.key}-failed"
  alarm_description   = "Executions of ${each.key} failed or timed out. They end rows FAILED by themselves: one that could not is a fault of the pipeline."
  comparison_operator = "GreaterThanThreshold"
  evaluation_periods  = 1
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.topic_arn]

  metric_query {
    id          = "ended"
    expression  = "failed + timedout"
    label       = "failed or timed out"
    return_data = true
  }
  dynamic "metric_query" {
    for_each = { failed = "ExecutionsFailed", timedout = "ExecutionsTimedOut" }
    content {
      id = metric_query.key
      metric {
        namespace   = "AWS/States"
        metric_name = metric_query.value
        dimensions  = { StateMachineArn = each.value }
        stat        = "Sum"
        period      = 300
      }
    }
  }
}

# The one who looks after all rows is looked after itself.
resource "aws_cloudwatch_metric_alarm" "monitor" {
  alarm_name          = "${var.prefix}-monitor-silent"
  alarm_description   = "The monitor did not run for five minutes: nothing is found stuck or stale."
  namespace           = "AWS/Lambda"
  metric_name         = "Invocations"
  dimensions          = { FunctionName = var.monitor_function_name }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "LessThanThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = [var.topic_arn]
  ok_actions          = [var.topic_arn]
}
