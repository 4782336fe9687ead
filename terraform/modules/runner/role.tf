# What the runner may: keep the state of hosts, and make, change and end what terraform/host makes, and nothing that is not
# marked as this environment's. Roles it makes only under the path of hosts and with the boundary, and hands them to EC2 only.

locals {
  ours      = { StringEquals = { "aws:ResourceTag/treza:environment" = var.environment } }
  asked_for = { StringEquals = { "aws:RequestTag/treza:environment" = var.environment } }
  bounded   = { StringEquals = { "iam:PermissionsBoundary" = var.permissions_boundary_arn } }
  ec2       = "arn:${local.partition}:ec2:${local.region}:${local.account}"
  host_role = "arn:${local.partition}:iam::${local.account}:role${local.host_path}*"
  profile   = "arn:${local.partition}:iam::${local.account}:instance-profile${local.host_path}*"
  log_group = "arn:${local.partition}:logs:${local.region}:${local.account}:log-group:/aws/ec2/enclave/*"

  # State and lock of one host: hosts/<hash>.tfstate and .tflock.
  state_statements = [
    {
      # The backend's GetObject and PutObject of the state, PutObject and DeleteObject of the lock.
      Sid      = "State"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
      Resource = "${var.state_bucket_arn}/hosts/*"
    },
    {
      # The backend's ListObjectsV2, which tells a missing state from a forbidden one.
      Sid       = "StateList"
      Effect    = "Allow"
      Action    = "s3:ListBucket"
      Resource  = var.state_bucket_arn
      Condition = { StringLike = { "s3:prefix" = "hosts/*" } }
    },
    {
      # S3's Decrypt and GenerateDataKey for the state.
      Sid      = "StateKey"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = var.state_kms_key_arn
    },
  ]

  instance_statements = [
    {
      # aws_instance: RunInstances of an instance that is marked as ours and answers IMDSv2 only.
      Sid      = "RunInstance"
      Effect   = "Allow"
      Action   = "ec2:RunInstances"
      Resource = "${local.ec2}:instance/*"
      Condition = {
        StringEquals = { "aws:RequestTag/treza:environment" = var.environment, "ec2:MetadataHttpTokens" = "required" }
      }
    },
    {
      # RunInstances: its disk, encrypted. (The key's own policy opens it to whoever may use EC2 here.)
      Sid       = "RunVolume"
      Effect    = "Allow"
      Action    = "ec2:RunInstances"
      Resource  = "${local.ec2}:volume/*"
      Condition = { Bool = { "ec2:Encrypted" = "true" } }
    },
    {
      # RunInstances: an image of Amazon's or this account's.
      Sid       = "RunImage"
      Effect    = "Allow"
      Action    = "ec2:RunInstances"
      Resource  = "arn:${local.partition}:ec2:${local.region}::image/*"
      Condition = { StringEquals = { "ec2:Owner" = ["amazon", local.account] } }
    },
    {
      # RunInstances: the hosts' subnets and group, and no other.
      Sid    = "RunPlace"
      Effect = "Allow"
      Action = "ec2:RunInstances"
      Resource = concat(
        [for subnet in var.host_subnet_ids : "${local.ec2}:subnet/${subnet}"],
        ["${local.ec2}:security-group/${var.host_security_group_id}", "${local.ec2}:network-interface/*"],
      )
    },
    {
      # RunInstances writes the tags with the instance and its disk.
      Sid       = "TagOnRun"
      Effect    = "Allow"
      Action    = "ec2:CreateTags"
      Resource  = ["${local.ec2}:instance/*", "${local.ec2}:volume/*"]
      Condition = { StringEquals = { "ec2:CreateAction" = "RunInstances" } }
    },
    {
      # aws_instance: destroyed by ModifyInstanceAttribute (which lets it end) and TerminateInstances.
      Sid       = "EndInstance"
      Effect    = "Allow"
      Action    = ["ec2:ModifyInstanceAttribute", "ec2:TerminateInstances"]
      Resource  = "${local.ec2}:instance/*"
      Condition = local.ours
    },
    {
      # aws_instance reads itself: the Describe calls take no resource.
      Sid    = "DescribeInstance"
      Effect = "Allow"
      Action = [
        "ec2:DescribeImages", "ec2:DescribeInstanceAttribute", "ec2:DescribeInstances", "ec2:DescribeInstanceTypes", "ec2:DescribeTags",
        "ec2:DescribeVolumes", "ec2:DescribeVpcs",
      ]
      Resource = "*"
    },
    {
      # data.aws_ssm_parameter: the newest Amazon Linux, a parameter of AWS's own.
      Sid      = "ImageParameter"
      Effect   = "Allow"
      Action   = "ssm:GetParameter"
      Resource = "arn:${local.partition}:ssm:${local.region}::parameter/aws/service/ami-amazon-linux-latest/*"
    },
  ]

  role_statements = [
    {
      # aws_iam_role, aws_iam_role_policy: nothing is written into a role that has not the boundary.
      Sid       = "BoundedRole"
      Effect    = "Allow"
      Action    = ["iam:CreateRole", "iam:PutRolePolicy", "iam:DeleteRolePolicy"]
      Resource  = local.host_role
      Condition = local.bounded
    },
    {
      # aws_iam_role and aws_iam_role_policy are tagged, read and deleted; the provider looks for what else hangs on a role.
      Sid    = "Role"
      Effect = "Allow"
      Action = [
        "iam:DeleteRole", "iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole",
        "iam:ListRolePolicies", "iam:TagRole",
      ]
      Resource = local.host_role
    },
    {
      # aws_iam_instance_profile.
      Sid    = "Profile"
      Effect = "Allow"
      Action = [
        "iam:AddRoleToInstanceProfile", "iam:CreateInstanceProfile", "iam:DeleteInstanceProfile", "iam:GetInstanceProfile",
        "iam:RemoveRoleFromInstanceProfile", "iam:TagInstanceProfile",
      ]
      Resource = local.profile
    },
    {
      # AddRoleToInstanceProfile and RunInstances hand the host's role to EC2.
      Sid       = "PassHostRole"
      Effect    = "Allow"
      Action    = "iam:PassRole"
      Resource  = local.host_role
      Condition = { StringEquals = { "iam:PassedToService" = "ec2.amazonaws.com" } }
    },
  ]

  other_statements = [
    {
      # aws_cloudwatch_log_group.
      Sid    = "LogGroup"
      Effect = "Allow"
      Action = [
        "logs:AssociateKmsKey", "logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:ListTagsForResource", "logs:PutRetentionPolicy",
        "logs:TagResource",
      ]
      Resource = [local.log_group, "${local.log_group}:*"]
    },
    {
      # aws_cloudwatch_log_group reads itself by DescribeLogGroups, which takes no resource.
      Sid      = "DescribeLogGroups"
      Effect   = "Allow"
      Action   = "logs:DescribeLogGroups"
      Resource = "*"
    },
    {
      # aws_kms_key of a row that asks for kms: CreateKey and its tags; marked as ours.
      Sid       = "CreateKey"
      Effect    = "Allow"
      Action    = ["kms:CreateKey", "kms:TagResource"]
      Resource  = "*"
      Condition = local.asked_for
    },
    {
      # aws_kms_key is read, given its policy, and scheduled to be deleted. No call of cryptography is among them.
      Sid    = "Key"
      Effect = "Allow"
      Action = [
        "kms:DescribeKey", "kms:EnableKeyRotation", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags",
        "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion",
      ]
      Resource  = "arn:${local.partition}:kms:${local.region}:${local.account}:key/*"
      Condition = local.ours
    },
    {
      # A run reads the pipeline's notes on its turn (GetItem) and leaves what came of it (UpdateItem, PutItem).
      Sid      = "Turn"
      Effect   = "Allow"
      Action   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
      Resource = var.turns_table_arn
    },
    {
      # A run reads its row (GetItem).
      Sid      = "Row"
      Effect   = "Allow"
      Action   = "dynamodb:GetItem"
      Resource = var.rows_table_arn
    },
  ]

  statements = concat(local.state_statements, local.instance_statements, local.role_statements, local.other_statements, jsondecode(var.image_statements))
}

resource "aws_iam_role_policy" "task" {
  #checkov:skip=CKV_AWS_289:IAM is bounded by path and by the permissions boundary, KMS by tag; see the tests.
  #checkov:skip=CKV_AWS_290:What stands on "*" takes no resource, or is bound by the tag that is asked for.
  #checkov:skip=CKV_AWS_355:What stands on "*" takes no resource, or is bound by the tag that is asked for.
  name   = "runner"
  role   = aws_iam_role.task.id
  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}
