output "vpc_id" {
  description = "The network's id."
  value       = aws_vpc.this.id
}

output "host_subnet_ids" {
  description = "The private subnets, one a zone."
  value       = aws_subnet.private[*].id
}

output "runner_subnet_ids" {
  description = "Where the runner's tasks stand: the private subnets with NAT, else the public ones (IAM has no endpoint in most regions)."
  value       = local.nat ? aws_subnet.private[*].id : aws_subnet.public[*].id
}

output "runner_public_ip" {
  description = "Whether the runner's tasks need a public address to reach AWS."
  value       = !local.nat
}

output "host_security_group_id" {
  description = "The hosts' security group."
  value       = aws_security_group.host.id
}

output "runner_security_group_id" {
  description = "The runner's security group."
  value       = aws_security_group.runner.id
}
