output "rows" {
  description = "The table that clients write: name, arn, stream_arn."
  value       = { name = local.rows.name, arn = local.rows.arn, stream_arn = local.rows.stream_arn }
}

output "reports" {
  description = "The table that hosts write: name, arn, stream_arn."
  value       = { name = aws_dynamodb_table.reports.name, arn = aws_dynamodb_table.reports.arn, stream_arn = aws_dynamodb_table.reports.stream_arn }
}

output "turns" {
  description = "The pipeline's own notes: name, arn."
  value       = { name = aws_dynamodb_table.turns.name, arn = aws_dynamodb_table.turns.arn }
}
