module "record" {
  source = "../.."

  name              = "example"
  key_arn           = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
  state_machine_arn = "arn:aws:states:us-east-1:123456789012:stateMachine:example-image"

  record = {
    name            = "example-record"
    version         = "1"
    qualified_arn   = "arn:aws:lambda:us-east-1:123456789012:function:example-record:1"
    timeout_seconds = 300
  }
}
