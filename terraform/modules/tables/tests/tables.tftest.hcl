mock_provider "aws" {
  source = "../../tests/mocks"
}

variables {
  prefix      = "treza-test"
  kms_key_arn = "arn:aws:kms:us-west-2:123456789012:key/00000000-0000-0000-0000-000000000000"
}

run "rows_have_a_stream_of_both_images_and_indexes_without_reports" {
  assert {
    condition     = aws_dynamodb_table.rows[0].stream_view_type == "NEW_AND_OLD_IMAGES" && aws_dynamodb_table.reports.stream_view_type == "NEW_AND_OLD_IMAGES"
    error_message = "both streams must carry old and new images"
  }
  assert {
    condition     = toset(aws_dynamodb_table.rows[0].global_secondary_index[*].name) == toset(["StatusIndex", "HostIndex", "WalletIndex"])
    error_message = "the three indexes must be there"
  }
  assert {
    condition = alltrue([for index in aws_dynamodb_table.rows[0].global_secondary_index :
    index.projection_type == "KEYS_ONLY" || (index.projection_type == "INCLUDE" && index.non_key_attributes == toset(["status"]))])
    error_message = "an index that holds more than keys and status costs a write for every report"
  }
}

run "tables_are_encrypted_and_can_be_restored" {
  assert {
    condition = alltrue([for table in [aws_dynamodb_table.rows[0], aws_dynamodb_table.reports, aws_dynamodb_table.turns] :
    table.point_in_time_recovery[0].enabled && table.server_side_encryption[0].kms_key_arn == var.kms_key_arn && table.deletion_protection_enabled])
    error_message = "every table has point-in-time recovery, the key and deletion protection"
  }
}

run "an_existing_table_is_used_as_it_is" {
  variables {
    existing_rows_table = "the-applications"
  }
  override_data {
    target = data.aws_dynamodb_table.rows
    values = {
      name             = "the-applications"
      arn              = "arn:aws:dynamodb:us-west-2:123456789012:table/the-applications"
      stream_enabled   = true
      stream_view_type = "NEW_AND_OLD_IMAGES"
      stream_arn       = "arn:aws:dynamodb:us-west-2:123456789012:table/the-applications/stream/1"
      global_secondary_index = [
        { name = "StatusIndex" }, { name = "HostIndex" }, { name = "WalletIndex" }, { name = "Other" }
      ]
    }
  }
  assert {
    condition     = length(aws_dynamodb_table.rows) == 0 && output.rows.name == "the-applications"
    error_message = "no table of rows is made beside the existing one"
  }
}

run "an_existing_table_without_the_stream_is_refused" {
  command = plan
  variables {
    existing_rows_table = "the-applications"
  }
  override_data {
    target = data.aws_dynamodb_table.rows
    values = {
      stream_enabled         = true
      stream_view_type       = "KEYS_ONLY"
      global_secondary_index = [{ name = "StatusIndex" }, { name = "HostIndex" }, { name = "WalletIndex" }]
    }
  }
  expect_failures = [data.aws_dynamodb_table.rows]
}

run "an_existing_table_without_an_index_is_refused" {
  command = plan
  variables {
    existing_rows_table = "the-applications"
  }
  override_data {
    target = data.aws_dynamodb_table.rows
    values = {
      stream_enabled         = true
      stream_view_type       = "NEW_AND_OLD_IMAGES"
      global_secondary_index = [{ name = "StatusIndex" }, { name = "WalletIndex" }]
    }
  }
  expect_failures = [data.aws_dynamodb_table.rows]
}

run "names_are_checked" {
  command = plan
  variables {
    prefix              = "Treza"
    existing_rows_table = "a b"
    kms_key_arn         = "key"
  }
  expect_failures = [var.prefix, var.existing_rows_table, var.kms_key_arn]
}
