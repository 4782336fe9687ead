# The row's own key, where it asks for kms. Its owner encrypts with it; it opens to the row's enclave only: the document that
# the enclave sends along has to have the image's PCR0 and the launch's PCR16. The host, whose role makes the call, gets
# nothing that it could read, and no one else may decrypt, the account's administrators included, unless they change this
# policy, which CloudTrail records.

resource "aws_kms_key" "this" {
  count                   = local.kms ? 1 : 0
  description             = "${local.name}: opens to one enclave"
  enable_key_rotation     = true
  deletion_window_in_days = 7
  tags                    = local.tags
  policy                  = local.key_policy

  lifecycle {
    precondition {
      condition     = var.pcr0 != null && var.pcr16 != null
      error_message = "A row that asks for kms needs pcr0 and pcr16: without them its key would open to anyone."
    }
  }

  # A policy that names a role which is not there is refused.
  depends_on = [aws_iam_role.this]
}

locals {
  key_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        # The account manages it, and encrypts. Decrypt, GenerateDataKey and CreateGrant are not among these.
        Sid       = "Account"
        Effect    = "Allow"
        Principal = { AWS = "arn:${local.partition}:iam::${local.account}:root" }
        Action = [
          "kms:CancelKeyDeletion", "kms:DescribeKey", "kms:DisableKey", "kms:EnableKey", "kms:EnableKeyRotation", "kms:Encrypt",
          "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion",
          "kms:TagResource",
        ]
        Resource = "*"
      },
      {
        # Decrypt and GenerateDataKey, answered to the enclave of the attestation document only.
        Sid       = "Enclave"
        Effect    = "Allow"
        Principal = { AWS = aws_iam_role.this.arn }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = {
          StringEqualsIgnoreCase = {
            "kms:RecipientAttestation:PCR0"  = var.pcr0
            "kms:RecipientAttestation:PCR16" = var.pcr16
          }
        }
      },
    ]
  })
}
