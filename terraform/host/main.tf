# One host for one row: what the runner applies. Values of the row come as variables only; none of them is part of a name, of
# user data, or of a text that something else reads as a program.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

# The newest Amazon Linux 2023, unless an image is named.
data "aws_ssm_parameter" "image" {
  count = var.ami_id == null ? 1 : 0
  name  = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name
  # An id has up to 64 characters; a role's name has no more.
  name  = "treza-${var.environment}-host-${substr(sha256(var.id), 0, 12)}"
  path  = "/treza/${var.environment}/"
  image = try(data.aws_ssm_parameter.image[0].insecure_value, var.ami_id)
  kms   = contains(var.aws_services, "kms")

  tags = merge(var.tags, {
    Name                = local.name
    "treza:id"          = var.id
    "treza:environment" = var.environment
  })
}

resource "aws_cloudwatch_log_group" "this" {
  # The web application reads it under this name.
  name              = "/aws/ec2/enclave/${var.id}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = local.tags
}

resource "aws_instance" "this" {
  #checkov:skip=CKV_AWS_126:The daemon reports every 30 s, and the pipeline raises the alarm; a minute's metrics would cost 2 US dollars a month for each host.
  ami                    = local.image
  instance_type          = var.instance_type
  subnet_id              = var.subnet_ids[var.zone_index]
  vpc_security_group_ids = var.security_group_ids
  iam_instance_profile   = aws_iam_instance_profile.this.name
  user_data              = local.user_data
  ebs_optimized          = true
  tags                   = local.tags
  volume_tags            = local.tags

  # No key pair and no SSH: Session Manager, where someone has to look.
  associate_public_ip_address          = false
  instance_initiated_shutdown_behavior = "stop"

  enclave_options {
    enabled = true
  }
  metadata_options {
    http_endpoint = "enabled"
    # IMDSv2 only, and one hop: the instance itself.
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
    # The log group's name is read from the tag, so that user data has nothing of the row in it.
    instance_metadata_tags = "enabled"
  }
  root_block_device {
    volume_type           = "gp3"
    volume_size           = var.volume_gib
    encrypted             = true
    kms_key_id            = var.kms_key_arn
    delete_on_termination = true
  }

  lifecycle {
    # A host is what it was when it was made: a newer image or package is for new hosts, and so is another size of the disk,
    # which cannot shrink.
    ignore_changes = [ami, user_data, root_block_device[0].volume_size]
    precondition {
      condition     = var.zone_index < length(var.subnet_ids)
      error_message = "zone_index must be one of subnet_ids."
    }
    precondition {
      condition     = length(local.user_data) < 16384
      error_message = "User data has ${length(local.user_data)} bytes, and EC2 takes 16384."
    }
  }

  # Whatever it reads and writes at its first boot has to be there and allowed.
  depends_on = [aws_iam_role_policy.host, aws_cloudwatch_log_group.this]
}
