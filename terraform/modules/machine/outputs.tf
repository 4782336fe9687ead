output "name" {
  description = "The machine's name."
  value       = aws_sfn_state_machine.this.name
}

output "arn" {
  description = "The machine's ARN."
  value       = aws_sfn_state_machine.this.arn
}

output "policy" {
  description = "Its role's policy, as JSON."
  value       = aws_iam_role_policy.this.policy
}
