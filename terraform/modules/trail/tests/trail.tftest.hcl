mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  prefix      = "treza-test"
  kms_key_arn = "arn:aws:kms:us-west-2:123456789012:key/00000000-0000-0000-0000-000000000000"
}

run "every_region_validated_and_encrypted" {
  override_resource {
    target = module.bucket.aws_s3_bucket.this
    values = { id = "the-trails-own" }
  }
  assert {
    condition     = aws_cloudtrail.this.is_multi_region_trail && aws_cloudtrail.this.enable_log_file_validation && aws_cloudtrail.this.kms_key_id == var.kms_key_arn
    error_message = "the trail is of every region, and its files are validated and encrypted"
  }
  assert {
    condition     = aws_cloudtrail.this.s3_bucket_name == "the-trails-own"
    error_message = "it writes to a bucket of its own"
  }
}

run "what_cannot_be_meant_is_refused" {
  command = plan
  variables {
    prefix         = "X"
    kms_key_arn    = "key"
    retention_days = 1
  }
  expect_failures = [var.prefix, var.kms_key_arn, var.retention_days]
}
