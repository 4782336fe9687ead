output "arn" {
  description = "The policy's ARN: what the runner must give every role as its permissions boundary."
  value       = aws_iam_policy.this.arn
}
