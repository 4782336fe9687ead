# What functions and hosts are made of, in base's artifact bucket, each under its own hash: an instance that was started
# with one package never gets another.

locals {
  bundles_uri    = "s3://${local.base.artifact_bucket}/bundles/"
  bundle_digests = var.bundles[*].digest
}

resource "aws_s3_object" "lambda" {
  bucket      = local.base.artifact_bucket
  key         = "lambda/${filesha256(var.lambda_zip)}.zip"
  source      = var.lambda_zip
  source_hash = filesha256(var.lambda_zip)
}

resource "aws_s3_object" "package" {
  bucket      = local.base.artifact_bucket
  key         = "packages/${filesha256(var.host_package)}.tar.gz"
  source      = var.host_package
  source_hash = filesha256(var.host_package)
}

resource "aws_s3_object" "bundle" {
  for_each    = { for bundle in var.bundles : trimprefix(bundle.digest, "sha256:") => bundle.file }
  bucket      = local.base.artifact_bucket
  key         = "bundles/${each.key}.tar"
  source      = each.value
  source_hash = filesha256(each.value)
}
