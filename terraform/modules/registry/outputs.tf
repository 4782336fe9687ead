output "arn" {
  description = "The repository's ARN."
  value       = aws_ecr_repository.this.arn
}

output "url" {
  description = "Where images are pushed and pulled: registry/name."
  value       = aws_ecr_repository.this.repository_url
}
