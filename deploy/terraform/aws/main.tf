data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  account_root = "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:root"
}

resource "aws_kms_key" "cmk" {
  description             = "Key of ${var.customer} for ${var.tenant_id}, used by keyproxy"
  key_usage               = "ENCRYPT_DECRYPT"
  multi_region            = var.multi_region
  enable_key_rotation     = true
  deletion_window_in_days = var.deletion_window_in_days
  policy                  = data.aws_iam_policy_document.key.json
  tags                    = var.tags

  # All data under it would be lost with it; a change of multi_region alone would make another key in its place.
  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_kms_alias" "cmk" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.cmk.key_id
}

# The account's own IAM decides who administers the key; the role below is the platform's only way in.
data "aws_iam_policy_document" "key" {
  statement {
    sid       = "Account"
    actions   = ["kms:*"]
    resources = ["*"]

    principals {
      type        = "AWS"
      identifiers = [local.account_root]
    }
  }
}

resource "aws_iam_role" "keyproxy" {
  name                 = var.name
  description          = "keyproxy of the platform, for ${var.tenant_id}"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  max_session_duration = 3600
  tags                 = var.tags
}

# Without the condition, whoever can have the platform assume this role would reach the key (confused deputy).
data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "AWS"
      identifiers = [var.platform_principal_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "sts:ExternalId"
      values   = [var.external_id]
    }
  }
}

resource "aws_iam_role_policy" "keyproxy" {
  name   = "keyproxy"
  role   = aws_iam_role.keyproxy.id
  policy = data.aws_iam_policy_document.use.json
}

# What keyproxy calls, and no more: docs/providers.md, AWS KMS, permissions.
data "aws_iam_policy_document" "use" {
  statement {
    sid       = "Use"
    actions   = ["kms:GenerateDataKey", "kms:Decrypt", "kms:Encrypt"]
    resources = [aws_kms_key.cmk.arn]

    condition {
      test     = "StringEquals"
      variable = "kms:EncryptionContext:tenant_id"
      values   = [var.tenant_id]
    }
  }

  statement {
    sid       = "State"
    actions   = ["kms:DescribeKey"]
    resources = [aws_kms_key.cmk.arn]
  }
}
