# Who may open connections to whom.

resource "aws_security_group" "host" {
  #checkov:skip=CKV2_AWS_5:terraform/host gives it to each host.
  name        = "${var.prefix}-host"
  description = "Hosts of enclaves: no SSH; the ports of applications from where it was said"
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.prefix}-host" }
}

resource "aws_vpc_security_group_ingress_rule" "applications" {
  for_each          = toset(var.host_ingress_cidrs)
  security_group_id = aws_security_group.host.id
  description       = "the applications' ports, as endpoints in the row name them"
  cidr_ipv4         = each.value
  ip_protocol       = "tcp"
  from_port         = 20000
  to_port           = 29999
}

resource "aws_security_group" "runner" {
  #checkov:skip=CKV2_AWS_5:The state machines give it to each task.
  name        = "${var.prefix}-runner"
  description = "The task that runs Terraform: nobody connects to it"
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.prefix}-runner" }
}

# AWS's APIs, registries, Terraform's state: all of it HTTPS.
resource "aws_vpc_security_group_egress_rule" "https" {
  for_each          = { host = aws_security_group.host.id, runner = aws_security_group.runner.id }
  security_group_id = each.value
  description       = "HTTPS"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_security_group" "endpoints" {
  name        = "${var.prefix}-endpoints"
  description = "AWS's services within the network"
  vpc_id      = aws_vpc.this.id
  tags        = { Name = "${var.prefix}-endpoints" }
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  security_group_id = aws_security_group.endpoints.id
  description       = "HTTPS from the network"
  cidr_ipv4         = var.cidr
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}
