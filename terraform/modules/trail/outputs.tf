output "arn" {
  description = "The trail's ARN."
  value       = aws_cloudtrail.this.arn
}

output "bucket" {
  description = "Name of the bucket that its files are in."
  value       = module.bucket.name
}
