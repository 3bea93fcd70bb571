# A queue, who may send to it, where its dead letters go, and the function that it feeds.

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  account = data.aws_caller_identity.this.account_id
  arns    = "arn:${data.aws_partition.this.partition}:sqs:${data.aws_region.this.name}:${local.account}"
  # Lambda asks for at least six timeouts of the function: what it throttles comes again within them.
  # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
  visibility = 6 * var.function.timeout_seconds
  own        = var.dead_letters == null
  dead       = local.own ? aws_sqs_queue.dead[0].arn : var.dead_letters.arn
}

resource "aws_sqs_queue" "this" {
  name                       = var.name
  kms_master_key_id          = var.key_arn
  message_retention_seconds  = var.retention_days * 86400
  visibility_timeout_seconds = local.visibility
  receive_wait_time_seconds  = 20

  redrive_policy = jsonencode({
    deadLetterTargetArn = local.dead
    maxReceiveCount     = var.max_receive_count
  })
}

# Its own dead letters, unless they belong into another's queue.
resource "aws_sqs_queue" "dead" {
  count = local.own ? 1 : 0

  name                      = "${var.name}-dead-letters"
  kms_master_key_id         = var.key_arn
  message_retention_seconds = 14 * 86400

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = ["${local.arns}:${var.name}"]
  })
}

data "aws_iam_policy_document" "this" {
  dynamic "statement" {
    for_each = var.senders

    content {
      sid       = "From${title(statement.key)}"
      actions   = ["sqs:SendMessage"]
      resources = ["${local.arns}:${var.name}"]

      principals {
        type        = "Service"
        identifiers = [statement.value.service]
      }

      condition {
        test     = "ArnEquals"
        variable = "aws:SourceArn"
        values   = [statement.value.arn]
      }

      condition {
        test     = "StringEquals"
        variable = "aws:SourceAccount"
        values   = [local.account]
      }
    }
  }

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["sqs:ReceiveMessage", "sqs:SendMessage"]
    resources = ["${local.arns}:${var.name}"]

    principals {
      type        = "AWS"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_sqs_queue_policy" "this" {
  queue_url = aws_sqs_queue.this.url
  policy    = data.aws_iam_policy_document.this.json
}

resource "aws_lambda_event_source_mapping" "this" {
  event_source_arn                   = aws_sqs_queue.this.arn
  function_name                      = var.function.qualified_arn
  batch_size                         = var.batch_size
  maximum_batching_window_in_seconds = var.batching_window_seconds
  function_response_types            = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = var.maximum_concurrency
  }
}

# Lambda's poller acts with the function's role; this says beside, on the function itself, which queue it is.
resource "aws_lambda_permission" "this" {
  statement_id   = "queue-${var.name}"
  action         = "lambda:InvokeFunction"
  function_name  = var.function.name
  qualifier      = var.function.version
  principal      = "sqs.amazonaws.com"
  source_arn     = aws_sqs_queue.this.arn
  source_account = local.account
}
