mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  name        = "treza-test-state"
  kms_key_arn = "arn:aws:kms:us-west-2:123456789012:key/00000000-0000-0000-0000-000000000000"
}

run "private_versioned_encrypted_and_over_tls_only" {
  assert {
    condition = (aws_s3_bucket_public_access_block.this.block_public_acls && aws_s3_bucket_public_access_block.this.block_public_policy
    && aws_s3_bucket_public_access_block.this.ignore_public_acls && aws_s3_bucket_public_access_block.this.restrict_public_buckets)
    error_message = "nothing in it may be public"
  }
  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "it keeps earlier versions"
  }
  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.this.rule).apply_server_side_encryption_by_default[0].kms_master_key_id == var.kms_key_arn
    error_message = "it is encrypted with the key"
  }
  assert {
    condition = anytrue([for statement in jsondecode(aws_s3_bucket_policy.this.policy).Statement :
    statement.Effect == "Deny" && statement.Principal == "*" && statement.Action == "s3:*" && statement.Condition.Bool["aws:SecureTransport"] == "false"])
    error_message = "it refuses what does not come over TLS"
  }
  assert {
    condition     = length(aws_s3_bucket_lifecycle_configuration.this.rule) == 1 && !aws_s3_bucket.this.force_destroy
    error_message = "objects do not expire, and it is not deleted with them, unless asked for"
  }
}

run "objects_expire_where_asked_for" {
  variables {
    expire_days = 365
    statements  = "[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"cloudtrail.amazonaws.com\"},\"Action\":\"s3:PutObject\",\"Resource\":\"arn:aws:s3:::x/*\"}]"
  }
  assert {
    condition     = one([for rule in aws_s3_bucket_lifecycle_configuration.this.rule : rule.expiration[0].days if rule.id == "expire"]) == 365
    error_message = "objects expire after expire_days"
  }
  assert {
    condition     = length(jsondecode(aws_s3_bucket_policy.this.policy).Statement) == 2
    error_message = "further statements stand beside the first"
  }
}

run "what_cannot_be_meant_is_refused" {
  command = plan
  variables {
    name            = "Bucket_"
    kms_key_arn     = "alias/x"
    noncurrent_days = 0
    expire_days     = 0
    statements      = "{"
  }
  expect_failures = [var.name, var.kms_key_arn, var.noncurrent_days, var.expire_days, var.statements]
}
