mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  prefix             = "treza-test"
  function           = "trigger"
  description        = "a test"
  package            = { bucket = "b", key = "lambda/0.zip", hash = "0" }
  architecture       = "arm64"
  timeout_seconds    = 60
  memory_mib         = 256
  environment        = { TREZA_ENVIRONMENT = "test" }
  log_retention_days = 7
  kms_key_arn        = "arn:aws:kms:us-west-2:123456789012:key/00000000-0000-0000-0000-000000000000"
}

run "the_handler_names_the_function" {
  assert {
    condition = (aws_lambda_function.this.function_name == "treza-test-trigger" && aws_lambda_function.this.handler == "trigger"
    && aws_lambda_function.this.runtime == "provided.al2023" && aws_lambda_function.this.architectures == tolist(["arm64"]))
    error_message = "one package, and the handler says which function of it"
  }
  assert {
    condition     = aws_lambda_function.this.tracing_config[0].mode == "Active"
    error_message = "it is traced"
  }
  assert {
    condition     = aws_cloudwatch_log_group.this.name == "/aws/lambda/treza-test-trigger" && aws_cloudwatch_log_group.this.retention_in_days == 7
    error_message = "its logs have an end"
  }
}

run "a_role_without_statements_may_log_and_trace_only" {
  assert {
    condition     = jsondecode(aws_iam_role_policy.this.policy).Statement[*].Sid == ["Logs", "Traces"]
    error_message = "nothing else was asked for"
  }
  assert {
    condition     = jsondecode(aws_iam_role_policy.this.policy).Statement[0].Resource == "${aws_cloudwatch_log_group.this.arn}:*"
    error_message = "into its own log group only"
  }
}

run "its_statements_are_added" {
  variables {
    statements = "[{\"Sid\":\"GetRow\",\"Effect\":\"Allow\",\"Action\":\"dynamodb:GetItem\",\"Resource\":\"arn:aws:dynamodb:us-west-2:123456789012:table/rows\"}]"
  }
  assert {
    condition     = jsondecode(output.policy).Statement[2].Action == "dynamodb:GetItem"
    error_message = "what was asked for is there"
  }
}

run "what_cannot_be_meant_is_refused" {
  command = plan
  variables {
    prefix               = "X"
    function             = "Trigger"
    architecture         = "armv7"
    timeout_seconds      = 901
    memory_mib           = 64
    storage_mib          = 1
    reserved_concurrency = 0
    statements           = "[{}]"
    log_retention_days   = 0
    kms_key_arn          = "key"
  }
  expect_failures = [
    var.prefix, var.function, var.architecture, var.timeout_seconds, var.memory_mib, var.storage_mib, var.reserved_concurrency, var.statements,
    var.log_retention_days, var.kms_key_arn
  ]
}
