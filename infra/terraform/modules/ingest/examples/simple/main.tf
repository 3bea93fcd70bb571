module "ingest" {
  source = "../.."

  name    = "example"
  key_arn = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"

  images = {
    id  = "example-images"
    arn = "arn:aws:s3:::example-images"
  }

  start = {
    name            = "example-start"
    version         = "1"
    qualified_arn   = "arn:aws:lambda:us-east-1:123456789012:function:example-start:1"
    timeout_seconds = 60
  }
}
