# One page: what the pipeline did, and how those did that it stands on.

locals {
  widgets = [
    {
      title   = "Rows"
      metrics = [for name in ["RowsWatched", "RowsFailed", "RowsStuck"] : ["Treza", name, "Environment", var.environment]]
    },
    {
      title   = "Evidence"
      metrics = [for name in ["EvidenceStale", "EvidenceRefused"] : ["Treza", name, "Environment", var.environment]]
    },
    {
      title = "Executions"
      metrics = concat([for name, arn in var.machine_arns : [
        for metric in ["ExecutionsStarted", "ExecutionsFailed", "ExecutionsTimedOut"] : ["AWS/States", metric, "StateMachineArn", arn, { label = "${name}: ${metric}" }]
      ]]...)
    },
    {
      title   = "Functions: errors"
      metrics = [for name in var.function_names : ["AWS/Lambda", "Errors", "FunctionName", name]]
    },
    {
      title   = "Functions: duration, 99th percentile"
      stat    = "p99"
      metrics = [for name in var.function_names : ["AWS/Lambda", "Duration", "FunctionName", name]]
    },
    {
      title   = "Streams: age of the last record"
      stat    = "Maximum"
      metrics = [for name in var.stream_function_names : ["AWS/Lambda", "IteratorAge", "FunctionName", name]]
    },
    {
      title   = "Queues of what could not be worked on"
      stat    = "Maximum"
      metrics = [for name in var.queue_names : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", name]]
    },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.prefix
  dashboard_body = jsonencode({
    widgets = [
      for at, widget in local.widgets : {
        type   = "metric"
        x      = at % 2 * 12
        y      = floor(at / 2) * 6
        width  = 12
        height = 6
        properties = {
          title   = widget.title
          region  = var.region
          period  = 60
          stat    = try(widget.stat, "Sum")
          metrics = widget.metrics
        }
      }
    ]
  })
}
