mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  name        = "treza-test-runner"
  kms_key_arn = "arn:aws:kms:us-west-2:123456789012:key/00000000-0000-0000-0000-000000000000"
}

run "scans_keeps_ten_and_drops_the_untagged" {
  assert {
    condition     = aws_ecr_repository.this.image_scanning_configuration[0].scan_on_push && aws_ecr_repository.this.image_tag_mutability == "IMMUTABLE"
    error_message = "images are scanned, and a tag stays what it is"
  }
  assert {
    condition = [for rule in jsondecode(aws_ecr_lifecycle_policy.this.policy).rules : [rule.selection.tagStatus, rule.selection.countNumber]] == [
    ["untagged", 7], ["any", 10]]
    error_message = "untagged images go after 7 days, the newest 10 stay"
  }
  assert {
    condition     = !aws_ecr_repository.this.force_delete
    error_message = "a repository with images is not deleted"
  }
}

run "what_cannot_be_meant_is_refused" {
  command = plan
  variables {
    name          = "Treza//x"
    kms_key_arn   = "x"
    keep          = 0
    untagged_days = 0
  }
  expect_failures = [var.name, var.kms_key_arn, var.keep, var.untagged_days]
}
