output "name" {
  description = "The function's name."
  value       = aws_lambda_function.this.function_name
}

output "arn" {
  description = "The function's ARN."
  value       = aws_lambda_function.this.arn
}

output "role_name" {
  description = "Its role's name."
  value       = aws_iam_role.this.name
}

output "policy" {
  description = "Its role's policy, as JSON."
  value       = aws_iam_role_policy.this.policy
}
