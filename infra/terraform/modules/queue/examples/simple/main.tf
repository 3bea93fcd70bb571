module "queue" {
  source = "../.."

  name                = "example"
  key_arn             = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"
  max_receive_count   = 5
  maximum_concurrency = 2

  senders = {
    topic = {
      service = "sns.amazonaws.com"
      arn     = "arn:aws:sns:us-east-1:123456789012:example"
    }
  }

  function = {
    name            = "example"
    version         = "1"
    qualified_arn   = "arn:aws:lambda:us-east-1:123456789012:function:example:1"
    timeout_seconds = 60
  }
}
