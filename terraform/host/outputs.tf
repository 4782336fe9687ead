output "instance_id" {
  description = "The instance's id: the row's hostId, and PCR4."
  value       = aws_instance.this.id
}

output "address" {
  description = "Its private address."
  value       = aws_instance.this.private_ip
}

output "zone_index" {
  description = "Which of subnet_ids it stands in: the runner leaves a host where it is."
  value       = index(var.subnet_ids, aws_instance.this.subnet_id)
}

output "zone" {
  description = "The zone that it stands in."
  value       = aws_instance.this.availability_zone
}

output "kms_key_arn" {
  description = "The row's own key; null unless it asked for kms."
  value       = one(aws_kms_key.this[*].arn)
}
