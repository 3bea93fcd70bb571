module "workflow" {
  source = "../.."

  name       = "example"
  definition = "${path.module}/../../../../../../workflows/image.asl.json"
  key_arn    = "arn:aws:kms:us-east-1:123456789012:key/00000000-0000-0000-0000-000000000000"

  functions = {
    for name in ["validate", "route", "complete", "fail", "compress", "label", "thumbnail"] : name => {
      name          = "example-${name}"
      arn           = "arn:aws:lambda:us-east-1:123456789012:function:example-${name}"
      version       = "1"
      qualified_arn = "arn:aws:lambda:us-east-1:123456789012:function:example-${name}:1"
    }
  }
}
