module "key" {
  source = "../.."

  name = "example"
}
