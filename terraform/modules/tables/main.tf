# What the pipeline keeps: rows (clients write them), reports (hosts do), turns (its own notes). The shape is that of
# store/src/schema.rs, which makes the same tables on one machine.

resource "aws_dynamodb_table" "rows" {
  count = var.existing_rows_table == null ? 1 : 0

  name                        = "${var.prefix}-enclaves"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "id"
  stream_enabled              = true
  stream_view_type            = "NEW_AND_OLD_IMAGES"
  deletion_protection_enabled = var.deletion_protection

  dynamic "attribute" {
    for_each = toset(["id", "status", "hostId", "walletAddress"])
    content {
      name = attribute.value
      type = "S"
    }
  }

  # Keys and status only, so that a report, which changes neither, costs no index write.
  global_secondary_index {
    name            = "StatusIndex"
    hash_key        = "status"
    projection_type = "KEYS_ONLY"
  }
  global_secondary_index {
    name               = "HostIndex"
    hash_key           = "hostId"
    projection_type    = "INCLUDE"
    non_key_attributes = ["status"]
  }
  global_secondary_index {
    name               = "WalletIndex"
    hash_key           = "walletAddress"
    projection_type    = "INCLUDE"
    non_key_attributes = ["status"]
  }

  point_in_time_recovery {
    enabled = true
  }
  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }
}

# A table that the web application has already. It is looked at, and never changed.
data "aws_dynamodb_table" "rows" {
  count = var.existing_rows_table == null ? 0 : 1
  name  = var.existing_rows_table

  lifecycle {
    postcondition {
      condition     = self.stream_enabled && self.stream_view_type == "NEW_AND_OLD_IMAGES"
      error_message = "Table ${self.name} needs a stream of old and new images: treza cloud bootstrap shows the calls that make it, and makes them with --yes."
    }
    postcondition {
      condition     = length(setsubtract(["StatusIndex", "HostIndex", "WalletIndex"], self.global_secondary_index[*].name)) == 0
      error_message = "Table ${self.name} needs the indexes StatusIndex, HostIndex and WalletIndex: treza cloud bootstrap shows the calls that make them, and makes them with --yes."
    }
  }
}

resource "aws_dynamodb_table" "reports" {
  name                        = "${var.prefix}-reports"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "id"
  stream_enabled              = true
  stream_view_type            = "NEW_AND_OLD_IMAGES"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "id"
    type = "S"
  }
  point_in_time_recovery {
    enabled = true
  }
  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }
}

resource "aws_dynamodb_table" "turns" {
  name                        = "${var.prefix}-turns"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "id"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "id"
    type = "S"
  }
  point_in_time_recovery {
    enabled = true
  }
  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }
}

locals {
  rows = one(var.existing_rows_table == null ? aws_dynamodb_table.rows[*] : data.aws_dynamodb_table.rows[*])
}
