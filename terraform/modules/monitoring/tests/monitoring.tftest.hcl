mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  prefix                = "treza-test"
  environment           = "test"
  region                = "us-west-2"
  topic_arn             = "arn:aws:sns:us-west-2:123456789012:alerts"
  function_names        = ["treza-test-trigger", "treza-test-verify-report", "treza-test-monitor"]
  stream_function_names = ["treza-test-trigger", "treza-test-verify-report"]
  monitor_function_name = "treza-test-monitor"
  queue_names           = ["treza-test-rows-failed"]
  machine_arns          = { treza-test-deploy = "arn:aws:states:us-west-2:123456789012:stateMachine:treza-test-deploy" }
}

run "everything_that_goes_wrong_has_its_alarm" {
  assert {
    condition = toset(output.alarm_names) == toset([
      "treza-test-failures", "treza-test-stuck", "treza-test-stale-evidence", "treza-test-refused-evidence",
      "treza-test-trigger-errors", "treza-test-trigger-throttles", "treza-test-verify-report-errors", "treza-test-verify-report-throttles",
      "treza-test-monitor-errors", "treza-test-monitor-throttles", "treza-test-trigger-lag", "treza-test-verify-report-lag",
    "treza-test-rows-failed-depth", "treza-test-deploy-failed", "treza-test-monitor-silent"])
    error_message = "failures, stuck, stale and refused evidence, queues, errors, throttles, lag, machines, and the monitor's own silence"
  }
  assert {
    condition = { for name, alarm in aws_cloudwatch_metric_alarm.pipeline : name => alarm.metric_name } == {
    failures = "RowsFailed", stuck = "RowsStuck", stale-evidence = "EvidenceStale", refused-evidence = "EvidenceRefused" }
    error_message = "the metrics are those that the functions embed"
  }
  assert {
    condition = alltrue([for alarm in aws_cloudwatch_metric_alarm.pipeline :
    alarm.namespace == "Treza" && alarm.dimensions == tomap({ Environment = "test" }) && alarm.alarm_actions == toset([var.topic_arn])])
    error_message = "of this environment, told to the topic"
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.monitor.treat_missing_data == "breaching"
    error_message = "a monitor that is not there is silent too"
  }
}

run "the_dashboard_shows_them" {
  assert {
    condition = alltrue([for name in ["RowsFailed", "RowsStuck", "EvidenceStale", "EvidenceRefused", "ExecutionsFailed", "IteratorAge"] :
    strcontains(aws_cloudwatch_dashboard.this.dashboard_body, "\"${name}\"")])
    error_message = "what alarms is on the page"
  }
}

run "what_cannot_be_meant_is_refused" {
  command = plan
  variables {
    prefix         = "X"
    topic_arn      = "alerts"
    function_names = []
  }
  expect_failures = [var.prefix, var.topic_arn, var.function_names]
}
