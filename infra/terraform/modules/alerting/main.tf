# Alarms → SNS → SQS → alert → Slack. While an alarm is on, a schedule asks alert to look again: it posts only kinds
# of failure that it has not posted.

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  account   = data.aws_caller_identity.this.account_id
  partition = data.aws_partition.this.partition
  region    = data.aws_region.this.name
  topic_arn = "arn:${local.partition}:sns:${local.region}:${local.account}:${var.name}-alarms"
  rule_arn  = "arn:${local.partition}:events:${local.region}:${local.account}:rule/${var.name}-recheck"

  # What new dead letters are counted by: each branch; the trunk; images that validate refused; messages that start
  # could not read.
  origins = toset(concat(var.branches, ["trunk", "rejected", "start"]))
}

# ---- alarms

resource "aws_cloudwatch_metric_alarm" "depth" {
  alarm_name          = "${var.name}-dead-letters-depth"
  alarm_description   = "Dead letters wait: docs/runbook.md"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = var.dead_letters_name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  threshold           = var.depth_threshold
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# SQS counts no message that a function sends to a queue apart from others, so the functions log each letter.
resource "aws_cloudwatch_log_metric_filter" "new" {
  for_each = var.log_groups

  name           = "${var.name}-dead-letters-${each.key}"
  log_group_name = each.value
  pattern        = "{ $.target = \"safelight::dead_letters\" }"

  metric_transformation {
    namespace  = var.name
    name       = "DeadLetters"
    value      = "1"
    unit       = "Count"
    dimensions = { Origin = "$.origin" }
  }
}

resource "aws_cloudwatch_metric_alarm" "new" {
  for_each = local.origins

  alarm_name          = "${var.name}-dead-letters-new-${each.key}"
  alarm_description   = "New dead letters of ${each.key} in a minute: docs/runbook.md"
  namespace           = var.name
  metric_name         = "DeadLetters"
  dimensions          = { Origin = each.key }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 1
  threshold           = lookup(var.new_thresholds, each.key, 1)
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

resource "aws_cloudwatch_metric_alarm" "age" {
  alarm_name          = "${var.name}-dead-letters-age"
  alarm_description   = "The oldest dead letter is ${var.age_threshold_days} days old; SQS deletes it after 14: docs/runbook.md"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = var.dead_letters_name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  threshold           = var.age_threshold_days * 86400
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# Nobody takes what waits, or it comes again and again: SQS deletes it in the end, and no letter tells of it.
resource "aws_cloudwatch_metric_alarm" "waiting" {
  for_each = var.waiting

  alarm_name          = "${var.name}-${each.key}-age"
  alarm_description   = "A message for ${each.key} has waited for ${var.waiting_threshold_hours} hours: docs/runbook.md"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = each.value }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  threshold           = var.waiting_threshold_hours * 3600
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# What the product could not tell itself, or nobody.
resource "aws_cloudwatch_metric_alarm" "own" {
  for_each = merge(var.own_dead_letters, { alerts = module.queue.dead_letter_name })

  alarm_name          = "${var.name}-${each.key}-dead-letters"
  alarm_description   = "Messages that ${each.key} could not handle: docs/runbook.md"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = each.value }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# A burst throttles and the workflow waits it out; what lasts is another matter.
resource "aws_cloudwatch_metric_alarm" "throttles" {
  for_each = toset(var.functions)

  alarm_name          = "${var.name}-throttles-${each.key}"
  alarm_description   = "Lambda keeps throttling ${each.key}: raise its concurrency, or wait: docs/runbook.md"
  namespace           = "AWS/Lambda"
  metric_name         = "Throttles"
  dimensions          = { FunctionName = "${var.name}-${each.key}" }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = var.throttle_periods
  datapoints_to_alarm = var.throttle_periods
  threshold           = var.throttle_threshold
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]
}

# ---- topic

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = var.key_arn
}

data "aws_iam_policy_document" "topic" {
  statement {
    sid       = "FromAlarms"
    actions   = ["sns:Publish"]
    resources = [local.topic_arn]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:cloudwatch:${local.region}:${local.account}:alarm:${var.name}-*"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_sns_topic_policy" "alarms" {
  arn    = aws_sns_topic.alarms.arn
  policy = data.aws_iam_policy_document.topic.json
}

resource "aws_sns_topic_subscription" "alerts" {
  topic_arn            = aws_sns_topic.alarms.arn
  protocol             = "sqs"
  endpoint             = module.queue.arn
  raw_message_delivery = true
}

# The one way to hear that alerts themselves cannot be told.
resource "aws_sns_topic_subscription" "email" {
  count = var.email == null ? 0 : 1

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = var.email
}

# ---- queue, schedule, webhook

module "queue" {
  source = "../queue"

  name                = "${var.name}-alerts"
  key_arn             = var.key_arn
  function            = var.alert
  max_receive_count   = var.max_receive_count
  maximum_concurrency = 2

  senders = {
    alarms = {
      service = "sns.amazonaws.com"
      arn     = local.topic_arn
    }
  }
}

resource "aws_cloudwatch_event_rule" "recheck" {
  name                = "${var.name}-recheck"
  description         = "While an alarm is on, look for new kinds of failure"
  schedule_expression = var.recheck_schedule
}

resource "aws_cloudwatch_event_target" "recheck" {
  rule  = aws_cloudwatch_event_rule.recheck.name
  arn   = var.alert.qualified_arn
  input = jsonencode({ alert = "recheck" })
}

resource "aws_lambda_permission" "recheck" {
  statement_id   = "recheck"
  action         = "lambda:InvokeFunction"
  function_name  = var.alert.name
  qualifier      = var.alert.version
  principal      = "events.amazonaws.com"
  source_arn     = local.rule_arn
  source_account = local.account
}
