module "dashboard" {
  source = "../.."

  name              = "example"
  state_machine_arn = "arn:aws:states:us-east-1:123456789012:stateMachine:example-image"
  table_name        = "example-record"
  queues            = ["example-ingest", "example-dead-letters"]
  functions         = ["start", "label", "thumbnail"]
  branches          = ["label", "thumbnail"]
}
