# S3 → SNS → SQS → start, and the queue of dead letters.
#
# S3 may publish to the topic and nothing else: it may not subscribe, and nobody else may publish. The bucket, the
# topic and the queue name each other's ARN and this account.

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  account   = data.aws_caller_identity.this.account_id
  partition = data.aws_partition.this.partition
  region    = data.aws_region.this.name
  topic_arn = "arn:${local.partition}:sns:${local.region}:${local.account}:${var.name}-images"
  queue_arn = "arn:${local.partition}:sqs:${local.region}:${local.account}:${var.name}-ingest"
  dead_arn  = "arn:${local.partition}:sqs:${local.region}:${local.account}:${var.name}-dead-letters"
}

resource "aws_sns_topic" "images" {
  name              = "${var.name}-images"
  kms_master_key_id = var.key_arn
}

data "aws_iam_policy_document" "topic" {
  statement {
    sid       = "FromImages"
    actions   = ["sns:Publish"]
    resources = [local.topic_arn]

    principals {
      type        = "Service"
      identifiers = ["s3.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [var.images.arn]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_sns_topic_policy" "images" {
  arn    = aws_sns_topic.images.arn
  policy = data.aws_iam_policy_document.topic.json
}

resource "aws_s3_bucket_notification" "images" {
  bucket = var.images.id

  topic {
    topic_arn = aws_sns_topic.images.arn
    events    = ["s3:ObjectCreated:*"]
  }

  # S3 tries to publish when this is set, and what the topic gets before the queue may have it is lost.
  depends_on = [aws_sns_topic_policy.images, aws_sns_topic_subscription.ingest, module.queue]
}

resource "aws_sns_topic_subscription" "ingest" {
  topic_arn            = aws_sns_topic.images.arn
  protocol             = "sqs"
  endpoint             = module.queue.arn
  raw_message_delivery = true
  filter_policy        = var.filter_policy == null ? null : jsonencode(var.filter_policy)
  filter_policy_scope  = var.filter_policy == null ? null : "MessageBody"

  # What the queue refuses, by a policy that is wrong or when it is gone, is not lost: `failures redrive` sends it there.
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters.arn
  })

  depends_on = [aws_sqs_queue_policy.dead_letters]
}

module "queue" {
  source = "../queue"

  name                = "${var.name}-ingest"
  key_arn             = var.key_arn
  function            = var.start
  max_receive_count   = var.max_receive_count
  dead_letters        = { arn = aws_sqs_queue.dead_letters.arn }
  batch_size          = var.batch_size
  maximum_concurrency = var.maximum_concurrency

  senders = {
    images = {
      service = "sns.amazonaws.com"
      arn     = local.topic_arn
    }
  }
}

# Images that failed, and messages that could not be read. The longest that SQS keeps anything is 14 days.
resource "aws_sqs_queue" "dead_letters" {
  name                       = "${var.name}-dead-letters"
  kms_master_key_id          = var.key_arn
  message_retention_seconds  = 14 * 86400
  visibility_timeout_seconds = 60

  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [local.queue_arn]
  })
}

data "aws_iam_policy_document" "dead_letters" {
  statement {
    sid       = "FromImages"
    actions   = ["sqs:SendMessage"]
    resources = [local.dead_arn]

    principals {
      type        = "Service"
      identifiers = ["sns.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.topic_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["sqs:ReceiveMessage", "sqs:SendMessage"]
    resources = [local.dead_arn]

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

resource "aws_sqs_queue_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.url
  policy    = data.aws_iam_policy_document.dead_letters.json
}
