# The runner: a Fargate task that runs Terraform for one host, and measures images that are too large for a function.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition
  region    = data.aws_region.current.name
  # The role of one environment's hosts, and their instance profiles: a path of their own.
  host_path = "/treza/${var.environment}/"
}

resource "aws_ecs_cluster" "this" {
  name = var.prefix
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_cloudwatch_log_group" "this" {
  name              = "/ecs/${var.prefix}-runner"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
}

resource "aws_ecs_task_definition" "this" {
  family                   = "${var.prefix}-runner"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory_mib
  execution_role_arn       = aws_iam_role.execution.arn
  task_role_arn            = aws_iam_role.task.arn

  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture == "arm64" ? "ARM64" : "X86_64"
  }
  ephemeral_storage {
    size_in_gib = var.storage_gib
  }
  # A part of that disk, which goes with the task.
  volume {
    name = "tmp"
  }

  container_definitions = jsonencode([{
    name      = "runner"
    image     = var.image
    essential = true
    # Fargate's most: a run that is told to stop ends Terraform in order, and lets go of the lock.
    stopTimeout = 120
    # Terraform's working folder, its plan and a fetched image are in /tmp; its owner is the image's user (provisioner/Dockerfile).
    readonlyRootFilesystem = true
    mountPoints            = [{ sourceVolume = "tmp", containerPath = "/tmp", readOnly = false }]
    environment            = [for name in sort(keys(var.container_environment)) : { name = name, value = var.container_environment[name] }]
    linuxParameters = {
      # Reaps Terraform's providers.
      initProcessEnabled = true
      capabilities       = { drop = ["ALL"] }
    }
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        awslogs-group         = aws_cloudwatch_log_group.this.name
        awslogs-region        = local.region
        awslogs-stream-prefix = "runner"
      }
    }
  }])
}

# What starts the task: the image and the log stream.
resource "aws_iam_role" "execution" {
  name               = "${var.prefix}-runner-execution"
  assume_role_policy = local.ecs_tasks
}

resource "aws_iam_role_policy" "execution" {
  name = "execution"
  role = aws_iam_role.execution.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # Fargate's GetAuthorizationToken, which takes no resource.
        Sid      = "RegistryToken"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        # Fargate's pull of the runner's image.
        Sid      = "Pull"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = var.repository_arn
      },
      {
        # The log driver's CreateLogStream and PutLogEvents.
        Sid      = "Logs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.this.arn}:*"
      },
    ]
  })
}

# What the task itself is: role.tf says what it may.
resource "aws_iam_role" "task" {
  name               = "${var.prefix}-runner"
  assume_role_policy = local.ecs_tasks
}

locals {
  ecs_tasks = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = local.account } }
    }]
  })
}
