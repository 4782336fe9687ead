mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  prefix      = "treza-test"
  machine     = "pause"
  environment = "test"
  definition = jsonencode({
    StartAt        = "Stop"
    TimeoutSeconds = 60
    States = {
      Stop = {
        Type       = "Task"
        Resource   = "arn:aws:states:::lambda:invoke"
        Parameters = { FunctionName = "arn:aws:lambda:us-west-2:123456789012:function:treza-test-fail" }
        End        = true
      }
    }
  })
  function_arns = [
    "arn:aws:lambda:us-west-2:123456789012:function:treza-test-fail",
    "arn:aws:lambda:us-west-2:123456789012:function:treza-test-finish",
  ]
  task = {
    cluster_arn                     = "arn:aws:ecs:us-west-2:123456789012:cluster/treza-test"
    definition_arn_without_revision = "arn:aws:ecs:us-west-2:123456789012:task-definition/treza-test-runner"
    role_arns                       = ["arn:aws:iam::123456789012:role/task", "arn:aws:iam::123456789012:role/execution"]
  }
  topic_arn          = "arn:aws:sns:us-west-2:123456789012:alerts"
  log_retention_days = 7
  kms_key_arn        = "arn:aws:kms:us-west-2:123456789012:key/00000000-0000-0000-0000-000000000000"
}

run "what_the_definition_does_not_call_the_role_may_not" {
  assert {
    condition     = toset(jsondecode(output.policy).Statement[*].Sid) == toset(["Invoke", "LogDelivery", "Traces"])
    error_message = "it invokes a function, and nothing else"
  }
  assert {
    condition     = jsondecode(output.policy).Statement[0].Resource == ["arn:aws:lambda:us-west-2:123456789012:function:treza-test-fail"]
    error_message = "the function that it names, and no other"
  }
  assert {
    condition     = aws_sfn_state_machine.this.logging_configuration[0].level == "ALL" && aws_sfn_state_machine.this.tracing_configuration[0].enabled
    error_message = "executions are logged and traced"
  }
  assert {
    condition     = !aws_sfn_state_machine.this.logging_configuration[0].include_execution_data
    error_message = "what stands in rows does not stand in logs"
  }
}

run "what_it_calls_it_may_within_bounds" {
  variables {
    definition = jsonencode({
      StartAt        = "Run"
      TimeoutSeconds = 60
      States = {
        Run    = { Type = "Task", Resource = "arn:aws:states:::ecs:runTask.sync", Next = "Find" }
        Find   = { Type = "Task", Resource = "arn:aws:states:::aws-sdk:ec2:describeInstances", Next = "Stop" }
        Stop   = { Type = "Task", Resource = "arn:aws:states:::aws-sdk:ec2:stopInstances", Next = "Notify" }
        Notify = { Type = "Task", Resource = "arn:aws:states:::sns:publish", End = true }
      }
    })
  }
  assert {
    condition = toset(jsondecode(output.policy).Statement[*].Sid) == toset([
    "RunTask", "TagTask", "FollowTask", "PassTaskRoles", "TaskEvents", "FindInstances", "PauseInstances", "Notify", "LogDelivery", "Traces"])
    error_message = "every call of the definition has its statement"
  }
  assert {
    condition = alltrue([for statement in jsondecode(output.policy).Statement :
      statement.Action == ["ec2:StopInstances"] && statement.Condition.StringEquals["aws:ResourceTag/treza:environment"] == "test"
    if statement.Sid == "PauseInstances"])
    error_message = "it stops this environment's instances, and starts none"
  }
  assert {
    condition = alltrue([for statement in jsondecode(output.policy).Statement :
      toset(statement.Resource) == toset(var.task.role_arns) && statement.Condition.StringEquals["iam:PassedToService"] == "ecs-tasks.amazonaws.com"
    if statement.Sid == "PassTaskRoles"])
    error_message = "it hands on the task's two roles, to ECS"
  }
}

run "a_machine_without_a_time_limit_is_refused" {
  command = plan
  variables {
    definition = "{\"StartAt\":\"A\",\"States\":{\"A\":{\"Type\":\"Succeed\"}}}"
  }
  expect_failures = [var.definition]
}

run "what_cannot_be_meant_is_refused" {
  command = plan
  variables {
    prefix             = "X"
    machine            = "de-ploy"
    log_retention_days = 0
    kms_key_arn        = "key"
  }
  expect_failures = [var.prefix, var.machine, var.log_retention_days, var.kms_key_arn]
}
