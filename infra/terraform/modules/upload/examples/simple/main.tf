module "upload" {
  source = "../.."

  name    = "example"
  key_arn = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"

  upload = {
    name          = "example-upload"
    version       = "1"
    qualified_arn = "arn:aws:lambda:us-east-1:123456789012:function:example-upload:1"
  }

  jwt = {
    issuer   = "https://auth.example.com"
    audience = ["safelight"]
    scopes   = ["images/write"]
  }
}
