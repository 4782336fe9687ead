# One Lambda function of the pipeline: all of them come from one package, and the handler names which it is. A role of its own.

locals {
  name = "${var.prefix}-${var.function}"
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/aws/lambda/${local.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_iam_role" "this" {
  name = local.name
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = "function"
  role = aws_iam_role.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([
      {
        # The runtime's CreateLogStream and PutLogEvents: logs, and metrics embedded in them.
        Sid      = "Logs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.this.arn}:*"
      },
      {
        # X-Ray's PutTraceSegments and PutTelemetryRecords, which take no resource.
        Sid      = "Traces"
        Effect   = "Allow"
        Action   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
        Resource = "*"
      },
    ], jsondecode(var.statements))
  })
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_116:Called by state machines, which catch, or by streams, whose mappings have queues; what calls the monitor has one too.
  #checkov:skip=CKV_AWS_117:It calls AWS's public APIs and registries only; a network would add a NAT gateway and seconds to a start.
  #checkov:skip=CKV_AWS_173:No secret is in the environment; names and ARNs are encrypted with Lambda's own key.
  #checkov:skip=CKV_AWS_272:The package comes from the artifact bucket, under its hash; signing profiles do not take provided.al2023 from elsewhere.
  #checkov:skip=CKV_AWS_115:Reserved by variable: a reserve takes from an account's whole, which new accounts have little of.
  function_name                  = local.name
  description                    = var.description
  role                           = aws_iam_role.this.arn
  runtime                        = "provided.al2023"
  handler                        = var.function
  architectures                  = [var.architecture]
  s3_bucket                      = var.package.bucket
  s3_key                         = var.package.key
  source_code_hash               = var.package.hash
  timeout                        = var.timeout_seconds
  memory_size                    = var.memory_mib
  reserved_concurrent_executions = var.reserved_concurrency

  ephemeral_storage {
    size = var.storage_mib
  }
  environment {
    variables = var.environment
  }
  tracing_config {
    mode = "Active"
  }

  # A function that starts before its permissions would fail; one before its log group would make one without an end.
  depends_on = [aws_iam_role_policy.this, aws_cloudwatch_log_group.this]
}
