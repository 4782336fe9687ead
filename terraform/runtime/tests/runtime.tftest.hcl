mock_provider "aws" {
  source = "../tests/mocks"
}

override_data {
  target = data.aws_ssm_parameter.base
  values = {
    insecure_value = <<-JSON
      {"rows": {"name": "treza-dev-enclaves", "arn": "arn:aws:dynamodb:us-west-2:123456789012:table/treza-dev-enclaves",
                "stream_arn": "arn:aws:dynamodb:us-west-2:123456789012:table/treza-dev-enclaves/stream/1"},
       "reports": {"name": "treza-dev-reports", "arn": "arn:aws:dynamodb:us-west-2:123456789012:table/treza-dev-reports",
                   "stream_arn": "arn:aws:dynamodb:us-west-2:123456789012:table/treza-dev-reports/stream/1"},
       "turns": {"name": "treza-dev-turns", "arn": "arn:aws:dynamodb:us-west-2:123456789012:table/treza-dev-turns"},
       "state_bucket": "treza-dev-state", "state_kms_key_arn": "arn:aws:kms:us-west-2:123456789012:key/state",
       "artifact_bucket": "treza-dev-artifacts", "artifact_bucket_arn": "arn:aws:s3:::treza-dev-artifacts",
       "kms_key_arn": "arn:aws:kms:us-west-2:123456789012:key/data", "topic_arn": "arn:aws:sns:us-west-2:123456789012:treza-dev-alerts",
       "permissions_boundary_arn": "arn:aws:iam::123456789012:policy/treza-dev-host-boundary",
       "runner_repository_arn": "arn:aws:ecr:us-west-2:123456789012:repository/treza-dev-runner", "upstream_repository_arns": []}
    JSON
  }
}

variables {
  environment  = "dev"
  budget_usd   = 100
  lambda_zip   = "./README.md"
  host_package = "./README.md"
  bundles      = [{ digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", file = "./README.md" }]
  runner_image = "123456789012.dkr.ecr.us-west-2.amazonaws.com/treza-dev-runner@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
}

run "streams_wake_the_pipeline_for_what_asks_for_something" {
  assert {
    condition = toset([for filter in one(aws_lambda_event_source_mapping.stream["rows"].filter_criteria).filter : jsonencode(jsondecode(filter.pattern))]) == toset([
      jsonencode({ eventName = ["INSERT", "MODIFY"], dynamodb = { NewImage = { status = { S = [{ anything-but = ["DEPLOYING", "DEPLOYED", "DESTROYING", "DESTROYED", "PAUSED"] }] } } } }),
      jsonencode({ eventName = ["INSERT", "MODIFY"], dynamodb = { NewImage = { status = { S = [{ exists = false }] } } } }),
      jsonencode({ eventName = ["REMOVE"] }),
    ])
    error_message = "every status but those that the pipeline itself writes (FAILED is told of: its host is given back), rows without one, and rows that are deleted"
  }
  assert {
    condition     = [for filter in one(aws_lambda_event_source_mapping.stream["reports"].filter_criteria).filter : jsondecode(filter.pattern).dynamodb.NewImage.phase.S] == [["RUNNING", "FAILED", "STOPPED"]]
    error_message = "reports that a row would show"
  }
  assert {
    condition = alltrue([for mapping in aws_lambda_event_source_mapping.stream :
      mapping.function_response_types == toset(["ReportBatchItemFailures"]) && mapping.bisect_batch_on_function_error && mapping.batch_size == 100
      && mapping.maximum_retry_attempts == 10 && mapping.maximum_record_age_in_seconds == 3600 && mapping.starting_position == "TRIM_HORIZON"
    && length(one(one(mapping.destination_config).on_failure).destination_arn) > 0])
    error_message = "a record that cannot be worked on is tried, is split from the others, and ends in a queue"
  }
}

run "each_function_may_what_it_calls" {
  assert {
    condition = jsonencode({ for name, function in module.function : name => sort(distinct([
      for action in flatten(jsondecode(function.policy).Statement[*].Action) : split(":", action)[0] if !startswith(action, "logs:") && !startswith(action, "xray:")])) }) == jsonencode({
      trigger       = ["dynamodb", "sns", "sqs", "states"]
      validate      = ["dynamodb"]
      measure       = ["dynamodb", "ecr", "s3"]
      place         = ["dynamodb"]
      outcome       = ["dynamodb"]
      finish        = ["dynamodb", "sns"]
      request       = ["dynamodb"]
      verify-report = ["dynamodb", "sns", "sqs"]
      fail          = ["dynamodb", "sns"]
      monitor       = ["dynamodb", "sns", "sqs"]
    })
    error_message = "no function reaches a service that it does not call"
  }
  assert {
    condition = alltrue(flatten([for function in module.function : [
    for action in flatten(jsondecode(function.policy).Statement[*].Action) : !strcontains(action, "*") && action != "dynamodb:Scan"]]))
    error_message = "every permission is named, and nothing scans"
  }
  assert {
    condition = alltrue(flatten([for function in module.function : [
      for statement in jsondecode(function.policy).Statement : statement.Action == "dynamodb:GetItem"
    if contains(flatten([statement.Resource]), "arn:aws:dynamodb:us-west-2:123456789012:table/treza-dev-reports")]]))
    error_message = "only hosts write reports; the pipeline reads them"
  }
  assert {
    condition     = [for name, function in module.function : name if contains(flatten(jsondecode(function.policy).Statement[*].Action), "states:StartExecution")] == ["trigger"]
    error_message = "the trigger alone starts machines"
  }
}

run "functions_are_told_where_things_are" {
  assert {
    condition = local.environment_of_all == {
      TREZA_ENVIRONMENT        = "dev"
      TREZA_ROWS_TABLE         = "treza-dev-enclaves"
      TREZA_REPORTS_TABLE      = "treza-dev-reports"
      TREZA_TURNS_TABLE        = "treza-dev-turns"
      TREZA_TOPIC_ARN          = "arn:aws:sns:us-west-2:123456789012:treza-dev-alerts"
      TREZA_BUNDLES_URI        = "s3://treza-dev-artifacts/bundles/"
      TREZA_BUNDLES            = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
      TREZA_TRUST_ROOTS        = ""
      TREZA_MEASURE_TASK_BYTES = "268435456"
      RUST_LOG                 = "info"
    }
    error_message = "the environment of all functions, as the functions read it"
  }
}

run "the_monitor_runs_each_minute" {
  assert {
    condition     = aws_cloudwatch_event_rule.monitor.schedule_expression == "rate(1 minute)"
    error_message = "each minute"
  }
}

run "hosts_are_told_what_the_runner_is_told" {
  assert {
    condition = sort(keys(jsondecode(output.host_variables))) == sort([
      "ami_id", "bundles", "bundles_uri", "driver", "environment", "kms_key_arn", "log_retention_days", "package_sha256", "package_uri",
    "permissions_boundary_arn", "reports_table_arn", "rows_table_arn", "security_group_ids", "subnet_ids", "tags"])
    error_message = "the variables of terraform/host that are the same for every row"
  }
}

run "artifacts_stand_under_their_own_hash" {
  assert {
    condition     = aws_s3_object.lambda.key == "lambda/${filesha256("./README.md")}.zip" && keys(aws_s3_object.bundle) == ["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"]
    error_message = "content decides the name"
  }
}

run "what_cannot_be_meant_is_refused" {
  command = plan
  variables {
    lambda_zip         = "./nowhere"
    host_package       = "./nowhere"
    bundles            = []
    runner_image       = "runner:latest"
    eif_buckets        = ["Bucket"]
    ami_id             = "al2023"
    measure_task_bytes = 1
    evidence_wait      = { seconds = 0, looks = 1 }
    stop_wait          = { seconds = 1, looks = 100000 }
    log_filter         = "info; rm"
  }
  expect_failures = [
    var.lambda_zip, var.host_package, var.bundles, var.runner_image, var.eif_buckets, var.ami_id, var.measure_task_bytes, var.evidence_wait,
    var.stop_wait, var.log_filter,
  ]
}

run "a_development_trust_root_is_refused_in_prod" {
  command = plan
  variables {
    environment = "prod"
    trust_roots = ["-----BEGIN CERTIFICATE-----\nTUlJQg==\n-----END CERTIFICATE-----\n"]
  }
  expect_failures = [var.trust_roots]
}
