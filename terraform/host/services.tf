# What an enclave may ask of the AWS services that its row names (awsServices), by the host's role: data, of resources that
# their owner has given the row's tag treza:id, and no others.

locals {
  service_actions = {
    dynamodb       = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"]
    secretsmanager = ["secretsmanager:GetSecretValue"]
    sns            = ["sns:Publish"]
    sqs            = ["sqs:DeleteMessage", "sqs:ReceiveMessage", "sqs:SendMessage"]
    ssm            = ["ssm:GetParameter", "ssm:GetParameters"]
    states         = ["states:StartExecution"]
  }

  service_statements = concat(
    [for service in sort(var.aws_services) : {
      Sid       = "Service${title(service)}"
      Effect    = "Allow"
      Action    = local.service_actions[service]
      Resource  = "*"
      Condition = { StringEquals = { "aws:ResourceTag/treza:id" = var.id } }
    } if contains(keys(local.service_actions), service)],
    # Objects have no such tag before they are there: a prefix of the row's own, in this account's buckets.
    [for service in var.aws_services : {
      Sid       = "ServiceS3"
      Effect    = "Allow"
      Action    = ["s3:GetObject", "s3:PutObject"]
      Resource  = "${local.bucket}*/treza/${var.id}/*"
      Condition = { StringEquals = { "aws:ResourceAccount" = local.account } }
    } if service == "s3"],
    # kms: the row's own key, by the key's policy (key.tf). logs: its own group. sts: GetCallerIdentity needs no permission.
  )
}
