# Values that were meant for a shell, a policy, a template, a path or a log: each is refused before anything is made of it.

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
}

run "an_empty_id" {
  command = plan
  variables {
    id = ""
  }
  expect_failures = [var.id]
}

run "an_id_with_a_path" {
  command = plan
  variables {
    id = "../other"
  }
  expect_failures = [var.id]
}

run "an_id_with_a_slash" {
  command = plan
  variables {
    id = "a/b"
  }
  expect_failures = [var.id]
}

run "an_id_with_a_line_break" {
  command = plan
  variables {
    id = "enc_1\n"
  }
  expect_failures = [var.id]
}

run "an_id_with_a_command" {
  command = plan
  variables {
    id = "$(reboot)"
  }
  expect_failures = [var.id]
}

run "an_id_with_a_wildcard" {
  command = plan
  variables {
    id = "*"
  }
  expect_failures = [var.id]
}

run "an_id_with_a_policy_variable" {
  command = plan
  variables {
    id = "$${aws:username}"
  }
  expect_failures = [var.id]
}

run "an_id_with_quotes" {
  command = plan
  variables {
    id = "a\",\"b"
  }
  expect_failures = [var.id]
}

run "an_id_that_looks_like_a_letter" {
  command = plan
  variables {
    id = "\u0435nc"
  }
  expect_failures = [var.id]
}

run "an_instance_type_with_a_command" {
  command = plan
  variables {
    instance_type = "m6i.xlarge; reboot"
  }
  expect_failures = [var.instance_type]
}

run "an_object_of_every_bucket" {
  command = plan
  variables {
    image_object_arn = "arn:aws:s3:::*/*"
  }
  expect_failures = [var.image_object_arn]
}

run "every_object_of_a_bucket" {
  command = plan
  variables {
    image_object_arn = "arn:aws:s3:::eifs/*"
  }
  expect_failures = [var.image_object_arn]
}

run "an_object_with_a_policy_variable" {
  command = plan
  variables {
    image_object_arn = "arn:aws:s3:::eifs/$${aws:username}"
  }
  expect_failures = [var.image_object_arn]
}

run "every_repository" {
  command = plan
  variables {
    image_repository_arn = "arn:aws:ecr:us-west-2:123456789012:repository/*"
  }
  expect_failures = [var.image_repository_arn]
}

run "a_service_that_no_row_may_name" {
  command = plan
  variables {
    aws_services = ["iam"]
  }
  expect_failures = [var.aws_services]
}

run "measurements_of_a_debug_enclave" {
  command = plan
  variables {
    pcr0  = "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    pcr16 = "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
  }
  expect_failures = [var.pcr0, var.pcr16]
}

run "measurements_with_a_wildcard" {
  command = plan
  variables {
    pcr0  = "*"
    pcr16 = "*"
  }
  expect_failures = [var.pcr0, var.pcr16]
}

run "a_package_with_a_quote" {
  command = plan
  variables {
    package_uri = "s3://b/k'; reboot; '"
  }
  expect_failures = [var.package_uri]
}

run "bundles_with_a_quote" {
  command = plan
  variables {
    bundles_uri = "s3://b/'/"
    bundles     = ["sha256:'"]
  }
  expect_failures = [var.bundles_uri, var.bundles]
}

run "the_emulator_in_prod" {
  command = plan
  variables {
    environment = "prod"
    driver      = "emulator"
  }
  expect_failures = [var.driver]
}
