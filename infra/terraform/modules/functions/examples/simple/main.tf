module "functions" {
  source = "../.."

  name               = "example"
  repository         = "${path.module}/../../../../../.."
  packages           = "${path.module}/../../../../../../target/lambda"
  key_arn            = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
  results_bucket_arn = "arn:aws:s3:::example-results"
  without            = ["upload"]

  resources = {
    "images"           = ["arn:aws:s3:::example-images/*"]
    "images:bucket"    = ["arn:aws:s3:::example-images"]
    "results:bucket"   = ["arn:aws:s3:::example-results"]
    "results/payloads" = ["arn:aws:s3:::example-results/payloads/*"]
    "results/archive"  = ["arn:aws:s3:::example-results/archive/*"]
    "results/alerts"   = ["arn:aws:s3:::example-results/alerts/*"]
    "record"           = ["arn:aws:dynamodb:us-east-1:123456789012:table/example-record"]
    "record:index"     = ["arn:aws:dynamodb:us-east-1:123456789012:table/example-record/index/g1-index"]
    "dead-letters"     = ["arn:aws:sqs:us-east-1:123456789012:example-dead-letters"]
    "state-machine"    = ["arn:aws:states:us-east-1:123456789012:stateMachine:example-image"]
    "executions"       = ["arn:aws:states:us-east-1:123456789012:execution:example-image:*"]
    "webhook"          = ["arn:aws:secretsmanager:us-east-1:123456789012:secret:example-slack-webhook-AbCdEf"]
  }

  environment = {
    SAFELIGHT_TABLE          = "example-record"
    SAFELIGHT_RESULTS_BUCKET = "example-results"
  }
}
