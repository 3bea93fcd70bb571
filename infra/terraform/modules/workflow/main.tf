# The state machine: workflows/image.asl.json with the ARN of a published version for each function's name.

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  account = data.aws_caller_identity.this.account_id
  arn     = "arn:${data.aws_partition.this.partition}:states:${data.aws_region.this.name}:${local.account}:stateMachine:${var.name}-image"

  # The text in pieces, each up to a function's name or the end; a name that is no function's is an error here.
  pieces = regexall("(?s)(.*?)(?:\"FunctionName\": \"safelight-([a-z0-9-]+)\"|$)", file(var.definition))
  definition = join("", [
    for piece in local.pieces :
    try(length(piece[1]), 0) == 0 ? piece[0] : "${piece[0]}\"FunctionName\": \"${var.functions[piece[1]].qualified_arn}\""
  ])
  called = toset([for piece in local.pieces : piece[1] if try(length(piece[1]), 0) > 0])
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["states.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.arn]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
  }
}

resource "aws_iam_role" "this" {
  name               = "${var.name}-workflow"
  description        = "What the state machine ${var.name}-image may do: invoke its functions"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

data "aws_iam_policy_document" "this" {
  #checkov:skip=CKV_AWS_111:Log deliveries take no resource
  #checkov:skip=CKV_AWS_356:Log deliveries take no resource

  # Every version: an execution in flight calls those of its own definition.
  statement {
    sid       = "Functions"
    actions   = ["lambda:InvokeFunction"]
    resources = [for name in local.called : "${var.functions[name].arn}:*"]
  }

  # https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
  statement {
    sid = "LogDelivery"
    actions = [
      "logs:CreateLogDelivery",
      "logs:DeleteLogDelivery",
      "logs:DescribeLogGroups",
      "logs:DescribeResourcePolicies",
      "logs:GetLogDelivery",
      "logs:ListLogDeliveries",
      "logs:PutResourcePolicy",
      "logs:UpdateLogDelivery",
    ]
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "this" {
  name   = "workflow"
  role   = aws_iam_role.this.id
  policy = data.aws_iam_policy_document.this.json
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338:How long logs stay is a variable: record keeps each execution's whole history
  name              = "/aws/vendedlogs/states/${var.name}-image"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.key_arn
}

resource "aws_sfn_state_machine" "this" {
  #checkov:skip=CKV_AWS_284:The record says what every state did and when; X-Ray would say it again, for money
  name       = "${var.name}-image"
  type       = "STANDARD"
  role_arn   = aws_iam_role.this.arn
  definition = local.definition
  publish    = true

  logging_configuration {
    level                  = "ERROR"
    include_execution_data = true
    log_destination        = "${aws_cloudwatch_log_group.this.arn}:*"
  }

  depends_on = [aws_iam_role_policy.this]
}

# The state machine calls with its role; this says beside, on each version, which state machine it is.
resource "aws_lambda_permission" "this" {
  for_each = local.called

  statement_id   = "workflow"
  action         = "lambda:InvokeFunction"
  function_name  = var.functions[each.key].name
  qualifier      = var.functions[each.key].version
  principal      = "states.amazonaws.com"
  source_arn     = local.arn
  source_account = local.account
}
