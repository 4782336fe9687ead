mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  prefix            = "treza-test"
  rows_table_arn    = "arn:aws:dynamodb:us-west-2:123456789012:table/rows"
  reports_table_arn = "arn:aws:dynamodb:us-west-2:123456789012:table/reports"
  kms_key_arn       = "arn:aws:kms:us-west-2:123456789012:key/00000000-0000-0000-0000-000000000000"
}

run "tables_are_bound_to_the_roles_own_id" {
  assert {
    condition = toset([for statement in jsondecode(aws_iam_policy.this.policy).Statement : statement.Sid
      if try(statement.Condition["ForAllValues:StringEquals"]["dynamodb:LeadingKeys"], null) == [join("", ["$", "{aws:PrincipalTag/treza:id}"])]
    && try(statement.Condition.Null["dynamodb:LeadingKeys"], "") == "false"]) == toset(["OwnReports", "OwnRow"])
    error_message = "reports and row must be those of the role's tag treza:id"
  }
  assert {
    condition = alltrue([for statement in jsondecode(aws_iam_policy.this.policy).Statement : statement.Action == "dynamodb:PutItem"
    if statement.Resource == var.reports_table_arn])
    error_message = "of the reports a host may only write its own"
  }
}

run "it_gives_no_way_to_more" {
  assert {
    condition = length([for action in flatten(jsondecode(aws_iam_policy.this.policy).Statement[*].Action) : action
    if action == "*" || endswith(action, ":*") || can(regex("^(iam|sts|ec2):", action))]) == 0
    error_message = "a host has nothing of IAM, STS or EC2, and of no service everything"
  }
  assert {
    condition = alltrue([for statement in jsondecode(aws_iam_policy.this.policy).Statement :
    statement.Condition.StringEquals["aws:ResourceTag/treza:id"] == join("", ["$", "{aws:PrincipalTag/treza:id}"]) if statement.Sid == "OwnServices"])
    error_message = "awsServices act on resources with the row's own tag"
  }
}

run "what_cannot_be_meant_is_refused" {
  command = plan
  variables {
    prefix            = "X"
    rows_table_arn    = "rows"
    reports_table_arn = "reports"
    kms_key_arn       = "key"
  }
  expect_failures = [var.prefix, var.rows_table_arn, var.reports_table_arn, var.kms_key_arn]
}
