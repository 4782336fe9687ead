# A trail of the account's API calls, in a bucket of its own.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name
  name      = "${var.prefix}-trail"
  # Not a reference to the trail: the bucket's policy must stand before it.
  trail_arn = "arn:${local.partition}:cloudtrail:${local.region}:${local.account}:trail/${local.name}"
  bucket    = "${local.name}-${local.account}-${local.region}"
}

module "bucket" {
  source        = "../bucket"
  name          = local.bucket
  kms_key_arn   = var.kms_key_arn
  expire_days   = var.retention_days
  force_destroy = var.force_destroy
  statements = jsonencode([
    {
      # CloudTrail looks whether the bucket is there and whose it is.
      Sid       = "TrailReadsAcl"
      Effect    = "Allow"
      Principal = { Service = "cloudtrail.amazonaws.com" }
      Action    = "s3:GetBucketAcl"
      Resource  = "arn:${local.partition}:s3:::${local.bucket}"
      Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn } }
    },
    {
      # CloudTrail delivers its files.
      Sid       = "TrailWrites"
      Effect    = "Allow"
      Principal = { Service = "cloudtrail.amazonaws.com" }
      Action    = "s3:PutObject"
      Resource  = "arn:${local.partition}:s3:::${local.bucket}/AWSLogs/${local.account}/*"
      Condition = { StringEquals = { "aws:SourceArn" = local.trail_arn } }
    },
  ])
}

resource "aws_cloudtrail" "this" {
  #checkov:skip=CKV_AWS_252:Files of a trail are read after the fact, not on delivery; alarms are runtime's.
  #checkov:skip=CKV2_AWS_10:The trail is kept in S3; a second copy in CloudWatch Logs costs more than it is read.
  name                          = local.name
  s3_bucket_name                = module.bucket.name
  kms_key_id                    = var.kms_key_arn
  is_multi_region_trail         = true
  include_global_service_events = true
  enable_log_file_validation    = true
}
