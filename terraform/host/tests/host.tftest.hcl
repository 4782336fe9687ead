mock_provider "aws" {
  source = "../tests/mocks"
}

variables {
  id                       = "enc_1"
  instance_type            = "m6i.xlarge"
  environment              = "dev"
  rows_table_arn           = "arn:aws:dynamodb:us-west-2:123456789012:table/treza-dev-enclaves"
  reports_table_arn        = "arn:aws:dynamodb:us-west-2:123456789012:table/treza-dev-reports"
  subnet_ids               = ["subnet-a", "subnet-b"]
  security_group_ids       = ["sg-host"]
  permissions_boundary_arn = "arn:aws:iam::123456789012:policy/treza-dev-host-boundary"
  package_uri              = "s3://treza-dev-artifacts/packages/0.tar.gz"
  package_sha256           = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
  bundles_uri              = "s3://treza-dev-artifacts/bundles/"
  bundles                  = ["sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]
  kms_key_arn              = "arn:aws:kms:us-west-2:123456789012:key/data"
  tags                     = { Project = "treza" }
}

run "the_instance_runs_enclaves_and_is_closed" {
  assert {
    condition     = aws_instance.this.enclave_options[0].enabled
    error_message = "without enclave_options there is no enclave"
  }
  assert {
    condition     = (aws_instance.this.metadata_options[0].http_tokens == "required" && aws_instance.this.metadata_options[0].http_put_response_hop_limit == 1)
    error_message = "IMDSv2 only, and for the instance itself only"
  }
  assert {
    condition     = aws_instance.this.root_block_device[0].encrypted && aws_instance.this.root_block_device[0].kms_key_id == var.kms_key_arn && aws_instance.this.root_block_device[0].delete_on_termination
    error_message = "the disk is encrypted, and goes with the instance"
  }
  assert {
    condition     = aws_instance.this.associate_public_ip_address == false && aws_instance.this.subnet_id == "subnet-a"
    error_message = "a private subnet, without a public address"
  }
  assert {
    condition     = aws_instance.this.tags["treza:id"] == "enc_1" && aws_instance.this.tags["treza:environment"] == "dev" && aws_instance.this.tags["Project"] == "treza" && aws_instance.this.volume_tags == aws_instance.this.tags
    error_message = "it is found by its tags, and so are its costs"
  }
}

run "another_zone_is_another_subnet" {
  variables {
    zone_index = 1
  }
  assert {
    condition     = aws_instance.this.subnet_id == "subnet-b"
    error_message = "zone_index chooses among subnet_ids"
  }
}

run "a_zone_that_is_not_there_is_refused" {
  command = plan
  variables {
    zone_index = 2
  }
  # The subnet is looked up before the precondition speaks: either refuses.
  expect_failures = [aws_instance.this]
}

run "names_are_the_hash_of_the_id" {
  variables {
    id = "Aa-_0123456789012345678901234567890123456789012345678901234567890"
  }
  expect_failures = [var.id]
  command         = plan
}

run "the_longest_id_fits" {
  variables {
    id = "Aa-_012345678901234567890123456789012345678901234567890123456789"
  }
  assert {
    condition     = aws_iam_role.this.name == "treza-dev-host-${substr(sha256(var.id), 0, 12)}" && length(aws_iam_role.this.name) <= 64
    error_message = "a role's name has at most 64 characters, whatever the id"
  }
  assert {
    condition     = aws_cloudwatch_log_group.this.name == "/aws/ec2/enclave/${var.id}"
    error_message = "the web application reads the logs under this name"
  }
}

run "the_role_is_bounded_and_its_own" {
  assert {
    condition     = aws_iam_role.this.permissions_boundary == var.permissions_boundary_arn && aws_iam_role.this.path == "/treza/dev/" && aws_iam_role.this.tags["treza:id"] == "enc_1"
    error_message = "boundary, path, and the tag that the boundary reads"
  }
  assert {
    condition = { for statement in jsondecode(aws_iam_role_policy.host.policy).Statement : statement.Sid => [
      statement.Action, statement.Resource, statement.Condition["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"], statement.Condition.Null["dynamodb:LeadingKeys"]]
      if startswith(jsonencode(statement.Action), "\"dynamodb:") } == {
      OwnReports = ["dynamodb:PutItem", var.reports_table_arn, ["enc_1"], "false"]
      OwnRow     = ["dynamodb:GetItem", var.rows_table_arn, ["enc_1"], "false"]
    }
    error_message = "it writes reports under its own id and reads its own row: nothing else of the tables"
  }
  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.assignments.policy).Statement : [
      statement.Action, statement.Resource, statement.Condition["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"]]] == [
    ["dynamodb:Query", "${var.rows_table_arn}/index/HostIndex", ["i-0123456789abcdef0"]]]
    error_message = "it asks the index for its own instance only"
  }
  assert {
    condition = one([for statement in jsondecode(aws_iam_role_policy.host.policy).Statement : statement.Resource if statement.Action == "s3:GetObject"]) == [
      "arn:aws:s3:::treza-dev-artifacts/packages/0.tar.gz",
    "arn:aws:s3:::treza-dev-artifacts/bundles/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.tar"]
    error_message = "package and bundles, and no other object"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.host.policy).Statement[*].Sid == ["OwnReports", "OwnRow", "OwnObjects", "OwnLogs", "SessionManager"]
    error_message = "a row without an image in ECR and without services gives no more"
  }
}

run "image_and_eif_are_the_rows_own" {
  variables {
    image_repository_arn = "arn:aws:ecr:us-west-2:123456789012:repository/treza-dev-images"
    image_object_arn     = "arn:aws:s3:::eifs/web.eif"
  }
  assert {
    condition     = one([for statement in jsondecode(aws_iam_role_policy.host.policy).Statement : statement.Resource if statement.Sid == "OwnImage"]) == "arn:aws:ecr:us-west-2:123456789012:repository/treza-dev-images"
    error_message = "it pulls from that repository only"
  }
  assert {
    condition     = contains(one([for statement in jsondecode(aws_iam_role_policy.host.policy).Statement : statement.Resource if statement.Action == "s3:GetObject"]), "arn:aws:s3:::eifs/web.eif")
    error_message = "it reads that EIF"
  }
}

run "services_are_bound_to_the_rows_tag" {
  variables {
    aws_services = ["sqs", "s3", "logs", "sts"]
  }
  assert {
    condition = { for statement in jsondecode(aws_iam_role_policy.host.policy).Statement : statement.Sid => [
      statement.Resource, try(statement.Condition.StringEquals["aws:ResourceTag/treza:id"], statement.Condition.StringEquals["aws:ResourceAccount"])]
    if startswith(statement.Sid, "Service") } == { ServiceSqs = ["*", "enc_1"], ServiceS3 = ["arn:aws:s3:::*/treza/enc_1/*", "123456789012"] }
    error_message = "exactly the services that it names, on resources with its own tag or prefix"
  }
}

run "without_kms_there_is_no_key" {
  assert {
    condition     = length(aws_kms_key.this) == 0 && output.kms_key_arn == null
    error_message = "a key costs a dollar a month"
  }
}

run "the_key_opens_to_the_enclave_only" {
  variables {
    aws_services = ["kms"]
    pcr0         = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    pcr16        = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
  }
  assert {
    condition = alltrue([for statement in jsondecode(aws_kms_key.this[0].policy).Statement :
      statement.Condition.StringEqualsIgnoreCase["kms:RecipientAttestation:PCR0"] == var.pcr0
      && statement.Condition.StringEqualsIgnoreCase["kms:RecipientAttestation:PCR16"] == var.pcr16
      && statement.Principal.AWS == aws_iam_role.this.arn
    if length(setintersection(flatten([statement.Action]), ["kms:Decrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:CreateGrant", "kms:*"])) > 0])
    error_message = "whatever opens asks for the image's PCR0 and the launch's PCR16"
  }
  assert {
    condition     = length([for statement in jsondecode(aws_kms_key.this[0].policy).Statement : 1 if contains(flatten([statement.Action]), "kms:Decrypt")]) == 1
    error_message = "and it opens"
  }
  assert {
    condition     = length([for statement in jsondecode(aws_iam_role_policy.host.policy).Statement : 1 if strcontains(jsonencode(statement.Action), "kms:")]) == 0
    error_message = "the role itself has nothing of KMS: the key's policy is the only way"
  }
}

run "a_key_without_measurements_is_refused" {
  command = plan
  variables {
    aws_services = ["kms"]
    pcr0         = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
  }
  expect_failures = [aws_kms_key.this]
}

run "user_data_is_small_and_has_nothing_of_the_row" {
  variables {
    id                   = "ROW-id_of-the_row"
    instance_type        = "c6i.32xlarge"
    image_repository_arn = "arn:aws:ecr:us-west-2:123456789012:repository/rowimage"
    image_object_arn     = "arn:aws:s3:::rowbucket/roweif"
    aws_services         = ["kms", "sqs"]
    pcr0                 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
    pcr16                = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
  }
  assert {
    condition = alltrue([for value in [var.id, substr(sha256(var.id), 0, 12), var.instance_type, "rowimage", "rowbucket", "roweif", "sqs", var.pcr0, var.pcr16] :
    !strcontains(local.user_data, value)])
    error_message = "no value of the row stands in user data"
  }
  assert {
    condition     = length(local.user_data) < 16384 && startswith(local.user_data, "#cloud-config\n")
    error_message = "user data fits, and cloud-init knows it"
  }
  assert {
    condition = toset(jsondecode(trimprefix(local.user_data, "#cloud-config\n")).write_files[*].path) == toset([
    "/etc/treza/host.toml", "/etc/treza/install.env", "/etc/treza/install.sh", "/etc/treza/logs.json"])
    error_message = "configuration and installation; the unit is the package's"
  }
}
