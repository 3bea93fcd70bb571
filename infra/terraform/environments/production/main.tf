# Safelight on AWS: every module, put together.
#
# Names are made here, so that policies can name what does not exist yet: the definition needs the functions' ARNs and
# `start` needs the state machine's.

data "aws_caller_identity" "this" {}
data "aws_partition" "this" {}

locals {
  account    = data.aws_caller_identity.this.account_id
  partition  = data.aws_partition.this.partition
  repository = coalesce(var.repository, "${path.module}/../../../..")
  packages   = coalesce(var.packages, "${local.repository}/target/lambda")

  prefix            = "${var.region}:${local.account}"
  state_machine_arn = "arn:${local.partition}:states:${local.prefix}:stateMachine:${var.name}-image"
  executions_arn    = "arn:${local.partition}:states:${local.prefix}:execution:${var.name}-image:*"
  table_name        = "${var.name}-record"
  table_arn         = "arn:${local.partition}:dynamodb:${local.prefix}:table/${local.table_name}"
  dead_letters_arn  = "arn:${local.partition}:sqs:${local.prefix}:${var.name}-dead-letters"

  key_arn = var.key_arn == null ? module.key[0].arn : var.key_arn

  # label and route are told together which label service there is. A section of var.settings takes its place whole.
  settings = merge(
    {
      for name, section in {
        label = { provider = "rekognition" }
        route = { branches = { label = { provider = "rekognition" } } }
      } : name => jsonencode(section) if var.label_provider == "rekognition"
    },
    {
      for name, section in {
        upload = { buckets = { images = module.storage.images.id } }
      } : name => jsonencode(section) if var.upload != null
    },
    { for name, section in var.settings : name => jsonencode(section) },
  )

  functions = module.functions.functions
}

module "key" {
  source = "../../modules/key"
  count  = var.key_arn == null ? 1 : 0

  name = var.name
}

module "storage" {
  source = "../../modules/storage"

  name            = var.name
  account_id      = local.account
  images_bucket   = var.images_bucket
  results_bucket  = var.results_bucket
  key_arn         = local.key_arn
  noncurrent_days = var.noncurrent_days
  retention_days  = var.retention_days
  force_destroy   = var.force_destroy
}

# The value is put by hand, so that no state holds it: docs/runbook.md.
resource "aws_secretsmanager_secret" "webhook" {
  #checkov:skip=CKV2_AWS_57:Slack cannot be asked for another webhook by a program; docs/runbook.md says how to rotate it
  name        = "${var.name}-slack-webhook"
  description = "URL of Slack's incoming webhook"
  kms_key_id  = local.key_arn
}

module "functions" {
  source = "../../modules/functions"

  name               = var.name
  repository         = local.repository
  packages           = local.packages
  architecture       = var.architecture
  without            = var.upload == null ? ["upload"] : []
  key_arn            = local.key_arn
  results_bucket_arn = module.storage.results.arn
  concurrency        = var.concurrency
  memory_mb          = var.memory_mb
  log_retention_days = var.log_retention_days
  settings           = local.settings

  resources = {
    "images"           = ["${module.storage.images.arn}/*"]
    "images:bucket"    = [module.storage.images.arn]
    "results:bucket"   = [module.storage.results.arn]
    "results/payloads" = ["${module.storage.results.arn}/payloads/*"]
    "results/archive"  = ["${module.storage.results.arn}/archive/*"]
    "results/alerts"   = ["${module.storage.results.arn}/alerts/*"]
    "record"           = [local.table_arn]
    "record:index"     = ["${local.table_arn}/index/g1-index"]
    "dead-letters"     = [local.dead_letters_arn]
    "state-machine"    = [local.state_machine_arn, "${local.state_machine_arn}:*"]
    "executions"       = [local.executions_arn]
    "webhook"          = [aws_secretsmanager_secret.webhook.arn]
  }

  environment = merge(
    {
      SAFELIGHT_TABLE          = local.table_name
      SAFELIGHT_RESULTS_BUCKET = module.storage.results.id
      SAFELIGHT_LOG            = var.log
      SAFELIGHT_LOG_FORMAT     = "json"
    },
    var.retention_days == null ? {} : { SAFELIGHT_RETENTION_DAYS = tostring(var.retention_days) },
    var.environment,
  )

  function_environment = {
    start = {
      SAFELIGHT_STATE_MACHINE_ARN     = local.state_machine_arn
      SAFELIGHT_DEAD_LETTER_QUEUE_URL = local.dead_letters_url
    }
    fail = {
      SAFELIGHT_DEAD_LETTER_QUEUE_URL = local.dead_letters_url
    }
    record = {
      SAFELIGHT_STATE_MACHINE_ARN     = local.state_machine_arn
      SAFELIGHT_DEAD_LETTER_QUEUE_URL = local.dead_letters_url
    }
    alert = {
      SAFELIGHT_DEAD_LETTER_QUEUE_URL    = local.dead_letters_url
      SAFELIGHT_SLACK_WEBHOOK_SECRET_ARN = aws_secretsmanager_secret.webhook.arn
    }
  }
}

locals {
  dead_letters_url = module.ingest.dead_letters.url
}

module "ingest" {
  source = "../../modules/ingest"

  name                = var.name
  key_arn             = local.key_arn
  images              = module.storage.images
  start               = local.functions["start"]
  filter_policy       = var.filter_policy
  max_receive_count   = var.ingest_max_receive_count
  batch_size          = var.ingest_batch_size
  maximum_concurrency = var.start_concurrency
}

module "workflow" {
  source = "../../modules/workflow"

  name               = var.name
  definition         = "${local.repository}/workflows/image.asl.json"
  functions          = local.functions
  key_arn            = local.key_arn
  log_retention_days = var.log_retention_days
}

module "record" {
  source = "../../modules/record"

  name                = var.name
  key_arn             = local.key_arn
  state_machine_arn   = local.state_machine_arn
  record              = local.functions["record"]
  deletion_protection = var.deletion_protection
  maximum_concurrency = var.record_concurrency
  sweep_schedule      = var.sweep_schedule
}

module "alerting" {
  source = "../../modules/alerting"

  name                    = var.name
  key_arn                 = local.key_arn
  alert                   = local.functions["alert"]
  email                   = var.alarm_email
  dead_letters_name       = module.ingest.dead_letters.name
  own_dead_letters        = { record = module.record.queue.dead_letter_name }
  waiting                 = { ingest = module.ingest.queue.name, record = module.record.queue.name }
  branches                = module.functions.branches
  functions               = keys(local.functions)
  log_groups              = { for name in ["start", "fail", "record"] : name => local.functions[name].log_group }
  depth_threshold         = var.dead_letter_depth_threshold
  new_thresholds          = var.dead_letter_new_thresholds
  age_threshold_days      = var.dead_letter_age_threshold_days
  waiting_threshold_hours = var.waiting_threshold_hours
  throttle_threshold      = var.throttle_threshold
  throttle_periods        = var.throttle_periods
  recheck_schedule        = var.recheck_schedule
}

module "dashboard" {
  source = "../../modules/dashboard"

  name              = var.name
  state_machine_arn = local.state_machine_arn
  table_name        = local.table_name
  functions         = keys(local.functions)
  branches          = module.functions.branches
  queues = [
    module.ingest.queue.name,
    module.ingest.dead_letters.name,
    module.record.queue.name,
    module.alerting.queue.name,
  ]
}

module "upload" {
  source = "../../modules/upload"
  count  = var.upload == null ? 0 : 1

  name               = var.name
  key_arn            = local.key_arn
  upload             = local.functions["upload"]
  jwt                = var.upload.jwt
  rate_limit         = var.upload.rate_limit
  burst_limit        = var.upload.burst_limit
  log_retention_days = var.log_retention_days
}
