output "alarm_names" {
  description = "Every alarm."
  value = concat(
    [for alarm in aws_cloudwatch_metric_alarm.pipeline : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.function : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.queue : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.stream : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.machine : alarm.alarm_name],
    [aws_cloudwatch_metric_alarm.monitor.alarm_name],
  )
}

output "dashboard_name" {
  description = "The dashboard's name."
  value       = aws_cloudwatch_dashboard.this.dashboard_name
}
