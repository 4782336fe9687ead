mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  prefix                   = "treza-test"
  environment              = "test"
  image                    = "123456789012.dkr.ecr.us-west-2.amazonaws.com/treza-test-runner@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  repository_arn           = "arn:aws:ecr:us-west-2:123456789012:repository/treza-test-runner"
  architecture             = "arm64"
  container_environment    = { TREZA_ENVIRONMENT = "test" }
  permissions_boundary_arn = "arn:aws:iam::123456789012:policy/treza-test-host-boundary"
  state_bucket_arn         = "arn:aws:s3:::state"
  state_kms_key_arn        = "arn:aws:kms:us-west-2:123456789012:key/00000000-0000-0000-0000-000000000000"
  rows_table_arn           = "arn:aws:dynamodb:us-west-2:123456789012:table/rows"
  turns_table_arn          = "arn:aws:dynamodb:us-west-2:123456789012:table/turns"
  host_subnet_ids          = ["subnet-a", "subnet-b"]
  host_security_group_id   = "sg-host"
  log_retention_days       = 7
  kms_key_arn              = "arn:aws:kms:us-west-2:123456789012:key/00000000-0000-0000-0000-000000000000"
}

run "roles_are_made_with_the_boundary_only" {
  assert {
    condition = alltrue([for statement in jsondecode(output.policy).Statement :
      try(statement.Condition.StringEquals["iam:PermissionsBoundary"], "") == var.permissions_boundary_arn
    if length(setintersection(flatten([statement.Action]), ["iam:CreateRole", "iam:PutRolePolicy", "iam:AttachRolePolicy"])) > 0])
    error_message = "whatever makes a role or writes into one is bound to the boundary"
  }
  assert {
    condition = length(setintersection(flatten(jsondecode(output.policy).Statement[*].Action), [
      "iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary", "iam:UpdateAssumeRolePolicy", "iam:AttachRolePolicy", "iam:CreatePolicyVersion",
    "iam:CreatePolicy", "iam:CreateUser", "iam:CreateAccessKey"])) == 0
    error_message = "nothing takes a boundary away, changes one, or makes another way in"
  }
  assert {
    condition = alltrue(flatten([for statement in jsondecode(output.policy).Statement : [
      for resource in flatten([statement.Resource]) : can(regex("^arn:aws:iam::123456789012:(role|instance-profile)/treza/test/\\*$", resource))]
    if anytrue([for action in flatten([statement.Action]) : startswith(action, "iam:")])]))
    error_message = "all of IAM is under the path of this environment's hosts"
  }
}

run "it_passes_the_hosts_role_to_ec2_only" {
  assert {
    condition = [for statement in jsondecode(output.policy).Statement : [statement.Resource, statement.Condition.StringEquals["iam:PassedToService"]]
    if contains(flatten([statement.Action]), "iam:PassRole")] == [["arn:aws:iam::123456789012:role/treza/test/*", "ec2.amazonaws.com"]]
    error_message = "one PassRole, of hosts' roles, to EC2"
  }
}

run "instances_are_ours_and_answer_imdsv2_only" {
  assert {
    condition = one([for statement in jsondecode(output.policy).Statement : statement.Condition.StringEquals if statement.Sid == "RunInstance"]) == {
    "aws:RequestTag/treza:environment" = "test", "ec2:MetadataHttpTokens" = "required" }
    error_message = "no instance without our tag, none with IMDSv1"
  }
  assert {
    condition     = one([for statement in jsondecode(output.policy).Statement : statement.Condition.Bool["ec2:Encrypted"] if statement.Sid == "RunVolume"]) == "true"
    error_message = "no disk without encryption"
  }
  assert {
    condition = alltrue([for statement in jsondecode(output.policy).Statement :
      statement.Condition.StringEquals["aws:ResourceTag/treza:environment"] == "test"
    if contains(flatten([statement.Action]), "ec2:TerminateInstances")])
    error_message = "it ends this environment's instances only"
  }
  assert {
    condition = toset(one([for statement in jsondecode(output.policy).Statement : statement.Resource if statement.Sid == "RunPlace"])) == toset([
      "arn:aws:ec2:us-west-2:123456789012:subnet/subnet-a", "arn:aws:ec2:us-west-2:123456789012:subnet/subnet-b",
    "arn:aws:ec2:us-west-2:123456789012:security-group/sg-host", "arn:aws:ec2:us-west-2:123456789012:network-interface/*"])
    error_message = "in the hosts' subnets, with the hosts' group"
  }
}

run "keys_of_rows_are_made_and_never_used" {
  assert {
    condition = alltrue([for statement in jsondecode(output.policy).Statement : statement.Resource == var.state_kms_key_arn
    if length(setintersection(flatten([statement.Action]), ["kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt", "kms:ReEncryptFrom", "kms:CreateGrant"])) > 0])
    error_message = "the only key that it decrypts with is the state's"
  }
}

run "state_is_that_of_hosts_only" {
  assert {
    condition     = one([for statement in jsondecode(output.policy).Statement : statement.Resource if statement.Sid == "State"]) == "arn:aws:s3:::state/hosts/*"
    error_message = "base's and runtime's state are not the runner's"
  }
}

run "no_statement_allows_everything" {
  assert {
    condition = alltrue(flatten([for statement in jsondecode(output.policy).Statement : [
    for action in flatten([statement.Action]) : !strcontains(action, "*")]]))
    error_message = "every permission is named"
  }
}

run "the_task_ends_in_order" {
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].stopTimeout == 120
    error_message = "Terraform has all the time that Fargate gives to let go of its lock"
  }
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].name == "runner" && aws_ecs_task_definition.this.family == "treza-test-runner"
    error_message = "machines override the container runner of the family treza-test-runner"
  }
}

run "nothing_but_tmp_can_be_written" {
  assert {
    condition     = jsondecode(aws_ecs_task_definition.this.container_definitions)[0].readonlyRootFilesystem
    error_message = "the root file system is read-only"
  }
  assert {
    condition = alltrue([
      for mount in jsondecode(aws_ecs_task_definition.this.container_definitions)[0].mountPoints :
      mount.containerPath == "/tmp" && contains(aws_ecs_task_definition.this.volume[*].name, mount.sourceVolume)
    ])
    error_message = "only /tmp is mounted over it, from the task's own disk"
  }
}

run "what_cannot_be_meant_is_refused" {
  command = plan
  variables {
    prefix                   = "X"
    environment              = "T"
    image                    = "runner:latest"
    architecture             = "armv7"
    cpu                      = 1000
    memory_mib               = 512
    storage_gib              = 20
    permissions_boundary_arn = "arn:aws:iam::aws:role/x"
    host_subnet_ids          = []
    image_statements         = "{"
    log_retention_days       = 0
    kms_key_arn              = "key"
  }
  expect_failures = [
    var.prefix, var.environment, var.image, var.architecture, var.cpu, var.memory_mib, var.storage_gib, var.permissions_boundary_arn,
    var.host_subnet_ids, var.image_statements, var.log_retention_days, var.kms_key_arn
  ]
}
