# The most that a host's role may do, whatever the runner writes into it. A host's role has the tag treza:id; what is tied to
# that tag here holds even if the role's own policy did not say it.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  own_id    = "$${aws:PrincipalTag/treza:id}"
  # Null: a request without a leading key would satisfy "all values".
  own_key = {
    "ForAllValues:StringEquals" = { "dynamodb:LeadingKeys" = [local.own_id] }
    Null                        = { "dynamodb:LeadingKeys" = "false" }
  }
}

resource "aws_iam_policy" "this" {
  #checkov:skip=CKV_AWS_290:A boundary grants nothing; it bounds.
  #checkov:skip=CKV_AWS_289:A boundary grants nothing; it bounds.
  #checkov:skip=CKV_AWS_288:A boundary grants nothing; it bounds.
  #checkov:skip=CKV_AWS_355:A boundary grants nothing; it bounds. Each call with "*" takes no resource, or is bound by tag.
  name        = "${var.prefix}-host-boundary"
  description = "The most that a host's role may do."
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # PutItem of its reports: under the role's own id.
        Sid       = "OwnReports"
        Effect    = "Allow"
        Action    = "dynamodb:PutItem"
        Resource  = var.reports_table_arn
        Condition = local.own_key
      },
      {
        # GetItem of its row.
        Sid       = "OwnRow"
        Effect    = "Allow"
        Action    = "dynamodb:GetItem"
        Resource  = var.rows_table_arn
        Condition = local.own_key
      },
      {
        # Query by instance id, which the role's own policy holds to its own instance.
        Sid      = "OwnAssignments"
        Effect   = "Allow"
        Action   = "dynamodb:Query"
        Resource = "${var.rows_table_arn}/index/HostIndex"
      },
      {
        # GetAuthorizationToken of the registry: takes no resource.
        Sid      = "RegistryToken"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        # Pulls of the row's image.
        Sid      = "Pull"
        Effect   = "Allow"
        Action   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = "arn:${local.partition}:ecr:*:${local.account}:repository/*"
      },
      {
        # GetObject of package, bundles and the row's EIF.
        Sid      = "Objects"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = "*"
      },
      {
        # The CloudWatch agent's CreateLogStream, PutLogEvents and DescribeLogStreams.
        Sid      = "Logs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
        Resource = "arn:${local.partition}:logs:*:${local.account}:log-group:/aws/ec2/enclave/*"
      },
      {
        # The SSM agent's calls, which take no resource.
        Sid    = "SessionManager"
        Effect = "Allow"
        Action = [
          "ssm:UpdateInstanceInformation",
          "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
          "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
        ]
        Resource = "*"
      },
      {
        # Through DynamoDB and S3 only: what those encrypt with the environment's key.
        Sid       = "EncryptedStores"
        Effect    = "Allow"
        Action    = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*", "kms:DescribeKey"]
        Resource  = var.kms_key_arn
        Condition = { StringLike = { "kms:ViaService" = ["dynamodb.*.amazonaws.com", "s3.*.amazonaws.com"] } }
      },
      {
        # The calls of awsServices (terraform/host/services.tf): on resources with the row's own tag.
        Sid    = "OwnServices"
        Effect = "Allow"
        Action = [
          "dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem",
          "kms:Decrypt", "kms:GenerateDataKey",
          "secretsmanager:GetSecretValue",
          "sns:Publish",
          "sqs:DeleteMessage", "sqs:ReceiveMessage", "sqs:SendMessage",
          "ssm:GetParameter", "ssm:GetParameters",
          "states:StartExecution",
        ]
        Resource  = "*"
        Condition = { StringEquals = { "aws:ResourceTag/treza:id" = local.own_id } }
      },
      {
        # PutObject of the service s3: under the row's own prefix.
        Sid      = "OwnPrefix"
        Effect   = "Allow"
        Action   = "s3:PutObject"
        Resource = "arn:${local.partition}:s3:::*/treza/${local.own_id}/*"
      },
    ]
  })
}
