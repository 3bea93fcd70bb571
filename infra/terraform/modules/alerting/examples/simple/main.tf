module "alerting" {
  source = "../.."

  name              = "example"
  key_arn           = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
  dead_letters_name = "example-dead-letters"
  waiting           = { ingest = "example-ingest" }
  branches          = ["label", "thumbnail"]
  functions         = ["start", "label", "thumbnail"]
  log_groups        = { fail = "/aws/lambda/example-fail" }

  alert = {
    name            = "example-alert"
    version         = "1"
    qualified_arn   = "arn:aws:lambda:us-east-1:123456789012:function:example-alert:1"
    timeout_seconds = 60
  }
}
