output "cluster_arn" {
  description = "The cluster's ARN."
  value       = aws_ecs_cluster.this.arn
}

output "task_definition_arn" {
  description = "The task definition's ARN, with its revision."
  value       = aws_ecs_task_definition.this.arn
}

output "task_definition_arn_without_revision" {
  description = "The task definition's ARN, of any revision."
  value       = aws_ecs_task_definition.this.arn_without_revision
}

output "role_arns" {
  description = "The roles that a task is given: its own, and the one that starts it."
  value       = [aws_iam_role.task.arn, aws_iam_role.execution.arn]
}

output "role_name" {
  description = "Name of the task's own role."
  value       = aws_iam_role.task.name
}

output "log_group" {
  description = "The log group of the runs."
  value       = aws_cloudwatch_log_group.this.name
}

output "policy" {
  description = "The task role's policy, as JSON."
  value       = aws_iam_role_policy.task.policy
}
