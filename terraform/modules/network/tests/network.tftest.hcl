mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  prefix      = "treza-test"
  cidr        = "10.40.0.0/16"
  egress      = "nat"
  kms_key_arn = "arn:aws:kms:us-west-2:123456789012:key/00000000-0000-0000-0000-000000000000"
}

run "nat_leads_out_of_both_zones" {
  assert {
    condition     = length(aws_nat_gateway.this) == 1 && length(aws_route.nat) == 2 && length(aws_vpc_endpoint.interface) == 0
    error_message = "one NAT gateway serves both zones, and no endpoint is paid for"
  }
  assert {
    condition     = tolist(aws_subnet.private[*].availability_zone) == tolist(["us-west-2a", "us-west-2b"])
    error_message = "two zones"
  }
  assert {
    condition     = !output.runner_public_ip
    error_message = "the runner stands in private subnets"
  }
  assert {
    condition     = toset(keys(aws_vpc_endpoint.gateway)) == toset(["dynamodb", "s3"])
    error_message = "DynamoDB and S3 have their gateways, which cost nothing"
  }
}

run "a_nat_for_each_zone" {
  variables {
    nat_gateways = 2
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 2
    error_message = "a NAT gateway for each zone"
  }
}

run "endpoints_leave_no_way_to_the_internet" {
  variables {
    egress         = "endpoints"
    more_endpoints = ["sqs"]
  }
  assert {
    condition     = length(aws_nat_gateway.this) == 0 && length(aws_route.nat) == 0 && length(aws_eip.nat) == 0
    error_message = "private subnets must have no route out"
  }
  assert {
    condition     = toset(keys(aws_vpc_endpoint.interface)) == toset(["ecr.api", "ecr.dkr", "kms", "logs", "ssm", "ssmmessages", "sts", "sqs"])
    error_message = "hosts reach what they need by endpoints"
  }
  assert {
    condition     = output.runner_public_ip && toset(output.runner_subnet_ids) == toset(aws_subnet.public[*].id)
    error_message = "the runner needs IAM, which has no endpoint: it stands in the public subnets"
  }
}

run "nobody_connects_to_a_host_unless_it_was_said" {
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.applications) == 0
    error_message = "without host_ingress_cidrs nothing is let in"
  }
  assert {
    condition     = length(coalesce(aws_default_security_group.this.ingress, [])) == 0 && length(coalesce(aws_default_security_group.this.egress, [])) == 0
    error_message = "the default group lets nothing through"
  }
}

run "applications_are_reached_from_where_it_was_said" {
  variables {
    host_ingress_cidrs = ["10.40.0.0/16"]
  }
  assert {
    condition = alltrue([for rule in aws_vpc_security_group_ingress_rule.applications :
    rule.cidr_ipv4 == "10.40.0.0/16" && rule.from_port == 20000 && rule.to_port == 29999 && rule.ip_protocol == "tcp"])
    error_message = "the applications' ports, from there, and no other: no SSH"
  }
}

run "flows_are_logged" {
  assert {
    condition     = aws_flow_log.this.traffic_type == "ALL" && aws_cloudwatch_log_group.flow.kms_key_id == var.kms_key_arn
    error_message = "every flow, encrypted"
  }
}

run "what_cannot_be_meant_is_refused" {
  command = plan
  variables {
    prefix             = "X"
    cidr               = "10.0.0.0/28"
    egress             = "open"
    nat_gateways       = 3
    more_endpoints     = ["S Q S"]
    host_ingress_cidrs = ["0.0.0.0/0"]
    log_retention_days = 0
    kms_key_arn        = "key"
  }
  expect_failures = [
    var.prefix, var.cidr, var.egress, var.nat_gateways, var.more_endpoints, var.host_ingress_cidrs, var.log_retention_days, var.kms_key_arn
  ]
}
