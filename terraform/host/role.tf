# What the host may: say how its own enclave does, read its own row, fetch what its own enclave is made of. Nothing else.

locals {
  # Null: a request without a leading key would satisfy "all values".
  own_key = {
    "ForAllValues:StringEquals" = { "dynamodb:LeadingKeys" = [var.id] }
    Null                        = { "dynamodb:LeadingKeys" = "false" }
  }
  bucket = "arn:${local.partition}:s3:::"

  statements = concat(
    [
      {
        # store::Reports::put: PutItem under its own id.
        Sid       = "OwnReports"
        Effect    = "Allow"
        Action    = "dynamodb:PutItem"
        Resource  = var.reports_table_arn
        Condition = local.own_key
      },
      {
        # store::Rows::get: GetItem of its own row.
        Sid       = "OwnRow"
        Effect    = "Allow"
        Action    = "dynamodb:GetItem"
        Resource  = var.rows_table_arn
        Condition = local.own_key
      },
      {
        # install.sh and the daemon: GetObject of the package, its bundles, and the row's EIF where it names one.
        Sid    = "OwnObjects"
        Effect = "Allow"
        Action = "s3:GetObject"
        Resource = concat(
          ["${local.bucket}${trimprefix(var.package_uri, "s3://")}"],
          [for bundle in var.bundles : "${local.bucket}${trimprefix(var.bundles_uri, "s3://")}${trimprefix(bundle, "sha256:")}.tar"],
          var.image_object_arn == null ? [] : [var.image_object_arn],
        )
      },
      {
        # The CloudWatch agent: CreateLogStream, PutLogEvents and DescribeLogStreams in its own group.
        Sid      = "OwnLogs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"]
        Resource = "${aws_cloudwatch_log_group.this.arn}:*"
      },
      {
        # The SSM agent: its calls take no resource. GetParameter is not among them.
        Sid    = "SessionManager"
        Effect = "Allow"
        Action = [
          "ssm:UpdateInstanceInformation",
          "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
          "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
        ]
        Resource = "*"
      },
    ],
    [for statement in [
      {
        # The daemon's registry client: GetAuthorizationToken, which takes no resource.
        Sid      = "RegistryToken"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        # BatchGetImage (manifests) and GetDownloadUrlForLayer (layers) of its own image's repository.
        Sid      = "OwnImage"
        Effect   = "Allow"
        Action   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = var.image_repository_arn
      },
    ] : statement if var.image_repository_arn != null],
    local.service_statements,
  )
}

resource "aws_iam_role" "this" {
  name                 = local.name
  path                 = local.path
  permissions_boundary = var.permissions_boundary_arn
  # The boundary reads the tag treza:id.
  tags = local.tags
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "host" {
  name   = "host"
  role   = aws_iam_role.this.name
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

# Of its own, since it needs the instance's id, and the instance needs the role.
resource "aws_iam_role_policy" "assignments" {
  name = "assignments"
  role = aws_iam_role.this.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      # store::Rows::ids_by_host: Query of the rows that are assigned to this instance.
      Sid      = "OwnAssignments"
      Effect   = "Allow"
      Action   = "dynamodb:Query"
      Resource = "${var.rows_table_arn}/index/HostIndex"
      Condition = {
        "ForAllValues:StringEquals" = { "dynamodb:LeadingKeys" = [aws_instance.this.id] }
        Null                        = { "dynamodb:LeadingKeys" = "false" }
      }
    }]
  })
}

resource "aws_iam_instance_profile" "this" {
  name = local.name
  path = local.path
  role = aws_iam_role.this.name
  tags = local.tags
}
