# What calls the functions: the tables' streams, and the clock.

locals {
  # Of a row's changes only those are told that may ask for something: what the pipeline itself writes is filtered out, so
  # that it does not wake itself; but for FAILED, since a row then gives its host back, as one does that is deleted. A row
  # without a status, or with one that is no string, is told of too.
  row_filters = [
    {
      eventName = ["INSERT", "MODIFY"]
      dynamodb = { NewImage = { status = { S = [
        { anything-but = ["DEPLOYING", "DEPLOYED", "DESTROYING", "DESTROYED", "PAUSED"] }
      ] } } }
    },
    {
      eventName = ["INSERT", "MODIFY"]
      dynamodb  = { NewImage = { status = { S = [{ exists = false }] } } }
    },
    { eventName = ["REMOVE"] },
  ]
  # LAUNCHING says nothing that a row would show.
  report_filters = [{
    eventName = ["INSERT", "MODIFY"]
    dynamodb  = { NewImage = { phase = { S = ["RUNNING", "FAILED", "STOPPED"] } } }
  }]

  streams = {
    rows    = { function = "trigger", filters = local.row_filters }
    reports = { function = "verify-report", filters = local.report_filters }
  }
}

resource "aws_sqs_queue" "failed" {
  for_each                  = toset(["rows", "reports", "monitor"])
  name                      = "${local.prefix}-${each.value}-failed"
  message_retention_seconds = 14 * 24 * 3600
  kms_master_key_id         = local.base.kms_key_arn
}

resource "aws_lambda_event_source_mapping" "stream" {
  for_each         = local.streams
  event_source_arn = local.base[each.key].stream_arn
  function_name    = module.function[each.value.function].arn

  # From the oldest record that the stream still has: what was written while there was no runtime is worked on.
  starting_position                  = "TRIM_HORIZON"
  batch_size                         = 100
  function_response_types            = ["ReportBatchItemFailures"]
  bisect_batch_on_function_error     = true
  maximum_retry_attempts             = 10
  maximum_record_age_in_seconds      = 3600
  maximum_batching_window_in_seconds = 0

  destination_config {
    on_failure {
      destination_arn = aws_sqs_queue.failed[each.key].arn
    }
  }
  filter_criteria {
    dynamic "filter" {
      for_each = each.value.filters
      content {
        pattern = jsonencode(filter.value)
      }
    }
  }
}

resource "aws_cloudwatch_event_rule" "monitor" {
  name                = "${local.prefix}-monitor"
  description         = "The monitor, each minute."
  schedule_expression = "rate(1 minute)"
}

resource "aws_cloudwatch_event_target" "monitor" {
  rule = aws_cloudwatch_event_rule.monitor.name
  arn  = module.function["monitor"].arn

  # A minute that was missed is not caught up with: the next one is there.
  retry_policy {
    maximum_event_age_in_seconds = 60
    maximum_retry_attempts       = 0
  }
}

resource "aws_lambda_permission" "monitor" {
  statement_id  = "schedule"
  function_name = module.function["monitor"].name
  principal     = "events.amazonaws.com"
  action        = "lambda:InvokeFunction"
  source_arn    = aws_cloudwatch_event_rule.monitor.arn
}

resource "aws_lambda_function_event_invoke_config" "monitor" {
  function_name                = module.function["monitor"].name
  maximum_event_age_in_seconds = 60
  maximum_retry_attempts       = 0

  destination_config {
    on_failure {
      destination = aws_sqs_queue.failed["monitor"].arn
    }
  }
}
