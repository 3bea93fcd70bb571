# The table, and what closes each execution in it: EventBridge → SQS → record, and a sweep for the executions whose
# event never came, since EventBridge delivers them as best it can.

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  account  = data.aws_caller_identity.this.account_id
  rules    = "arn:${data.aws_partition.this.partition}:events:${data.aws_region.this.name}:${local.account}:rule"
  rule_arn = "${local.rules}/${var.name}-execution-ended"
}

resource "aws_dynamodb_table" "this" {
  name                        = "${var.name}-record"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "pk"
  range_key                   = "sk"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "pk"
    type = "S"
  }

  attribute {
    name = "sk"
    type = "S"
  }

  attribute {
    name = "g1pk"
    type = "S"
  }

  attribute {
    name = "g1sk"
    type = "S"
  }

  # Sparse: only pointers have its keys. (Names of indexes have three characters or more.)
  global_secondary_index {
    name            = "g1-index"
    hash_key        = "g1pk"
    range_key       = "g1sk"
    projection_type = "KEYS_ONLY"
  }

  ttl {
    attribute_name = "expires"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.key_arn
  }
}

resource "aws_cloudwatch_event_rule" "ended" {
  name        = "${var.name}-execution-ended"
  description = "An execution of the workflow ended"

  event_pattern = jsonencode({
    source        = ["aws.states"]
    "detail-type" = ["Step Functions Execution Status Change"]
    detail = {
      stateMachineArn = [var.state_machine_arn]
      status          = ["SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]
    }
  })
}

resource "aws_cloudwatch_event_target" "ended" {
  rule = aws_cloudwatch_event_rule.ended.name
  arn  = module.queue.arn
}

module "queue" {
  source = "../queue"

  name                = "${var.name}-record"
  key_arn             = var.key_arn
  function            = var.record
  max_receive_count   = var.max_receive_count
  maximum_concurrency = var.maximum_concurrency

  senders = {
    ended = {
      service = "events.amazonaws.com"
      arn     = local.rule_arn
    }
  }
}

resource "aws_cloudwatch_event_rule" "sweep" {
  name                = "${var.name}-sweep"
  description         = "Close executions whose event never came"
  schedule_expression = var.sweep_schedule
}

resource "aws_cloudwatch_event_target" "sweep" {
  rule  = aws_cloudwatch_event_rule.sweep.name
  arn   = var.record.qualified_arn
  input = jsonencode({ sweep = {} })
}

resource "aws_lambda_permission" "sweep" {
  statement_id   = "sweep"
  action         = "lambda:InvokeFunction"
  function_name  = var.record.name
  qualifier      = var.record.version
  principal      = "events.amazonaws.com"
  source_arn     = "${local.rules}/${var.name}-sweep"
  source_account = local.account
}
