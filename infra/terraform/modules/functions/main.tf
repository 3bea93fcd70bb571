# A Lambda for each folder with a manifest: functions/<name>/function.json, functions/branches/<name>/branch.json.
# Its role may do what the manifest says, read from its own queue if it has one, and log.

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}
data "aws_region" "this" {}

locals {
  account   = data.aws_caller_identity.this.account_id
  partition = data.aws_partition.this.partition
  region    = data.aws_region.this.name

  own = {
    for file in fileset("${var.repository}/functions", "*/function.json") :
    dirname(file) => jsondecode(file("${var.repository}/functions/${file}"))
    if !contains(var.without, dirname(file))
  }
  every_branch = jsondecode(file("${var.repository}/functions/branches/permissions.json")).permissions
  branches = {
    for file in fileset("${var.repository}/functions/branches", "*/branch.json") :
    dirname(file) => jsondecode(file("${var.repository}/functions/branches/${file}"))
    if !contains(var.without, dirname(file))
  }

  # A branch writes below its own folder of the results only.
  permissions = merge(
    { for name, manifest in local.own : name => manifest.permissions },
    {
      for name, manifest in local.branches : name => concat(
        local.every_branch,
        [
          for permission in try(manifest.permissions, []) : {
            actions  = permission.actions
            resource = permission.resource == "results" ? "results/${name}" : permission.resource
          }
        ],
      )
    },
  )
  resources = merge(
    var.resources,
    { for name in keys(local.branches) : "results/${name}" => ["${var.results_bucket_arn}/results/${name}/*"] },
    { "*" = ["*"] },
  )

  functions = {
    for name, manifest in merge(local.own, local.branches) : name => {
      memory_mb       = lookup(var.memory_mb, name, manifest.memory_mb)
      timeout_seconds = manifest.timeout_seconds
      queue           = try(manifest.queue, null)
      package         = "${var.packages}/${name}/bootstrap.zip"
    }
  }
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "this" {
  for_each = local.functions

  name               = "${var.name}-${each.key}"
  description        = "What ${var.name}-${each.key} may do: its manifest"
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

data "aws_iam_policy_document" "this" {
  #checkov:skip=CKV_AWS_356:"*" stands only where a manifest names an action that takes no resource, such as rekognition:DetectLabels
  for_each = local.functions

  dynamic "statement" {
    for_each = local.permissions[each.key]

    content {
      sid       = "Manifest${statement.key}"
      actions   = statement.value.actions
      resources = local.resources[statement.value.resource]
    }
  }

  dynamic "statement" {
    for_each = each.value.queue == null ? [] : [each.value.queue]

    content {
      sid       = "Poller"
      actions   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
      resources = ["arn:${local.partition}:sqs:${local.region}:${local.account}:${var.name}-${statement.value}"]
    }
  }

  statement {
    sid       = "Logs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.this[each.key].arn}:*"]
  }

  # Only by way of the services that keep things under the key.
  statement {
    sid       = "Key"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.key_arn]

    condition {
      test     = "StringEquals"
      variable = "kms:ViaService"
      values   = [for service in ["dynamodb", "s3", "secretsmanager", "sqs"] : "${service}.${local.region}.amazonaws.com"]
    }
  }
}

resource "aws_iam_role_policy" "this" {
  for_each = local.functions

  name   = "manifest"
  role   = aws_iam_role.this[each.key].id
  policy = data.aws_iam_policy_document.this[each.key].json
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338:How long logs stay is a variable: the record, not the log, is what must last
  for_each = local.functions

  name              = "/aws/lambda/${var.name}-${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.key_arn
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_50:The record says what every state did and when; X-Ray would say it again, for money
  #checkov:skip=CKV_AWS_115:A limit is a variable of each function: reserving concurrency takes it from the rest of the account
  #checkov:skip=CKV_AWS_116:Nothing invokes them asynchronously but schedules, which come again; queues and workflow have dead letters of their own
  #checkov:skip=CKV_AWS_117:They reach nothing in a private network; a NAT gateway would cost more than they do
  #checkov:skip=CKV_AWS_272:Packages are built where they are applied from; the published version's hash is in the state
  for_each = local.functions

  function_name    = "${var.name}-${each.key}"
  role             = aws_iam_role.this[each.key].arn
  runtime          = "provided.al2023"
  architectures    = [var.architecture]
  handler          = "bootstrap"
  filename         = each.value.package
  source_code_hash = filebase64sha256(each.value.package)
  memory_size      = each.value.memory_mb
  timeout          = each.value.timeout_seconds
  # A version is what the definition names; older ones stay, for executions in flight and for going back.
  publish     = true
  kms_key_arn = var.key_arn

  reserved_concurrent_executions = lookup(var.concurrency, each.key, -1)

  environment {
    variables = merge(
      var.environment,
      lookup(var.function_environment, each.key, {}),
      contains(keys(var.settings), each.key) ? { SAFELIGHT_SETTINGS = var.settings[each.key] } : {},
    )
  }

  depends_on = [aws_iam_role_policy.this]
}
