# The functions of the pipeline, one role each. statements say which call needs what; logs and traces are the module's.

locals {
  get_row = {
    # store::Rows::get.
    Sid      = "GetRow"
    Effect   = "Allow"
    Action   = "dynamodb:GetItem"
    Resource = local.base.rows.arn
  }
  update_row = {
    # store::Rows::update and request: conditional writes.
    Sid      = "UpdateRow"
    Effect   = "Allow"
    Action   = "dynamodb:UpdateItem"
    Resource = local.base.rows.arn
  }
  turns = {
    # store::Turns: begin, measured, get.
    Sid      = "Turns"
    Effect   = "Allow"
    Action   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    Resource = local.base.turns.arn
  }
  read_turns = {
    # store::Turns::get.
    Sid      = "ReadTurns"
    Effect   = "Allow"
    Action   = "dynamodb:GetItem"
    Resource = local.base.turns.arn
  }
  get_report = {
    # store::Reports::get: whether the host has said already that it stopped.
    Sid      = "GetReport"
    Effect   = "Allow"
    Action   = "dynamodb:GetItem"
    Resource = local.base.reports.arn
  }
  notify = {
    # A row that was FAILED is told of: sns publish.
    Sid      = "Notify"
    Effect   = "Allow"
    Action   = "sns:Publish"
    Resource = local.base.topic_arn
  }
  read_stream = {
    # The mapping's GetRecords, GetShardIterator and DescribeStream.
    for table in ["rows", "reports"] : table => {
      Sid      = "ReadStream"
      Effect   = "Allow"
      Action   = ["dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:DescribeStream"]
      Resource = local.base[table].stream_arn
    }
  }
  list_streams = {
    # The mapping's ListStreams, which takes no resource.
    Sid      = "ListStreams"
    Effect   = "Allow"
    Action   = "dynamodb:ListStreams"
    Resource = "*"
  }
  send_failed = {
    # The mapping (or, for the monitor, Lambda itself) sends what could not be worked on: SendMessage.
    for name, queue in aws_sqs_queue.failed : name => {
      Sid      = "SendFailed"
      Effect   = "Allow"
      Action   = "sqs:SendMessage"
      Resource = queue.arn
    }
  }
  # What reading an image takes, for the function and for the runner alike.
  read_images = concat(
    [
      {
        # The registry client's GetAuthorizationToken, which takes no resource.
        Sid      = "RegistryToken"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        # Its pulls from this account's repositories: manifests (BatchGetImage) and layers (GetDownloadUrlForLayer).
        Sid      = "Pull"
        Effect   = "Allow"
        Action   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = "arn:${local.partition}:ecr:${var.region}:${local.account}:repository/*"
      },
      {
        # Bundles, and EIFs that rows name: GetObject.
        Sid      = "Objects"
        Effect   = "Allow"
        Action   = "s3:GetObject"
        Resource = concat(["${local.base.artifact_bucket_arn}/bundles/*"], [for bucket in local.eif_bucket_arns : "${bucket}/*"])
      },
    ],
    length(local.base.upstream_repository_arns) == 0 ? [] : [{
      # The first pull of an image of another registry: ECR makes the repository and fetches it.
      Sid      = "PullThrough"
      Effect   = "Allow"
      Action   = ["ecr:CreateRepository", "ecr:BatchImportUpstreamImage"]
      Resource = local.base.upstream_repository_arns
    }],
  )
  eif_bucket_arns = [for bucket in var.eif_buckets : "arn:${local.partition}:s3:::${bucket}"]

  functions = {
    trigger = {
      description = "A record of the rows' stream: raises the row's generation and starts its machine."
      timeout     = 60
      memory      = 256
      statements = [local.get_row, local.update_row, local.read_turns, local.notify, local.read_stream["rows"], local.list_streams, local.send_failed["rows"], {
        # StartExecution of the turn's machine.
        Sid      = "StartTurn"
        Effect   = "Allow"
        Action   = "states:StartExecution"
        Resource = [for name in local.machines : "${local.machine_prefix}${name}"]
      }]
    }
    validate = {
      description = "Reads the request in the row, and says everything that is wrong with it at once."
      timeout     = 30
      memory      = 256
      statements  = [local.get_row, local.update_row, local.turns]
    }
    measure = {
      description = "Image to digest, digest and bundle to PCRs."
      timeout     = 600
      memory      = 2048
      storage     = 4096
      statements  = concat([local.get_row, local.update_row, local.turns], local.read_images)
    }
    place = {
      description = "Assigns the row to its host, with what evidence will be held against."
      timeout     = 30
      memory      = 256
      statements  = [local.get_row, local.update_row, local.read_turns]
    }
    outcome = {
      description = "Whether a turn has come to its end."
      timeout     = 30
      memory      = 256
      statements  = [local.get_row]
    }
    finish = {
      description = "Pauses and ends."
      timeout     = 30
      memory      = 256
      statements  = [local.get_row, local.update_row, local.turns, local.get_report, local.notify]
    }
    request = {
      description = "A cleanup that was started directly becomes a request in the row."
      timeout     = 30
      memory      = 256
      statements  = [local.update_row]
    }
    verify-report = {
      description = "A record of the reports' stream: verifies the evidence and copies it into the row."
      timeout     = 60
      memory      = 512
      statements  = [local.get_row, local.update_row, local.notify, local.read_stream["reports"], local.list_streams, local.send_failed["reports"]]
    }
    fail = {
      description = "Writes why a row FAILED, and tells of it."
      timeout     = 30
      memory      = 256
      statements  = [local.get_row, local.update_row, local.read_turns, local.notify]
    }
    monitor = {
      description = "Each minute: new challenges, stale evidence, rows that are stuck."
      timeout     = 55
      memory      = 512
      statements = [local.get_row, local.update_row, local.notify, local.send_failed["monitor"], {
        # store::Rows::ids_by_status: Query of the index. Never a scan.
        Sid      = "QueryStatus"
        Effect   = "Allow"
        Action   = "dynamodb:Query"
        Resource = "${local.base.rows.arn}/index/StatusIndex"
      }]
    }
  }

  environment_of_all = {
    TREZA_ENVIRONMENT        = var.environment
    TREZA_ROWS_TABLE         = local.base.rows.name
    TREZA_REPORTS_TABLE      = local.base.reports.name
    TREZA_TURNS_TABLE        = local.base.turns.name
    TREZA_TOPIC_ARN          = local.base.topic_arn
    TREZA_BUNDLES_URI        = local.bundles_uri
    TREZA_BUNDLES            = join(",", local.bundle_digests)
    TREZA_TRUST_ROOTS        = join("\n", [for root in var.trust_roots : trimspace(root)])
    TREZA_MEASURE_TASK_BYTES = tostring(var.measure_task_bytes)
    RUST_LOG                 = var.log_filter
  }
}

module "function" {
  source       = "../modules/function"
  for_each     = local.functions
  prefix       = local.prefix
  function     = each.key
  description  = each.value.description
  architecture = var.architecture
  package = {
    bucket = aws_s3_object.lambda.bucket
    key    = aws_s3_object.lambda.key
    hash   = filebase64sha256(var.lambda_zip)
  }
  timeout_seconds      = each.value.timeout
  memory_mib           = each.value.memory
  storage_mib          = try(each.value.storage, 512)
  reserved_concurrency = lookup(var.reserved_concurrency, each.key, -1)
  environment          = merge(local.environment_of_all, each.key == "trigger" ? { TREZA_MACHINE_PREFIX = local.machine_prefix } : {})
  statements           = jsonencode(each.value.statements)
  log_retention_days   = var.log_retention_days
  kms_key_arn          = local.base.kms_key_arn
}
