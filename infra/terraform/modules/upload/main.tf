# An HTTP API in front of the function `upload`: PUT for small images, POST for leave to put a large one into the
# bucket. Nobody comes in without a token of the issuer or a signature of this account.

data "aws_caller_identity" "this" {}

locals {
  routes = ["PUT /{bucket}/{key+}", "POST /{bucket}/{key+}"]
}

resource "aws_apigatewayv2_api" "this" {
  name          = "${var.name}-upload"
  protocol_type = "HTTP"
  description   = "Uploads of ${var.name}"
}

resource "aws_apigatewayv2_integration" "this" {
  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_uri        = var.upload.qualified_arn
  payload_format_version = "2.0"
  timeout_milliseconds   = 30000
}

resource "aws_apigatewayv2_authorizer" "this" {
  count = var.jwt == null ? 0 : 1

  api_id           = aws_apigatewayv2_api.this.id
  name             = "jwt"
  authorizer_type  = "JWT"
  identity_sources = ["$request.header.Authorization"]

  jwt_configuration {
    issuer   = var.jwt.issuer
    audience = var.jwt.audience
  }
}

resource "aws_apigatewayv2_route" "this" {
  for_each = toset(local.routes)

  api_id               = aws_apigatewayv2_api.this.id
  route_key            = each.value
  target               = "integrations/${aws_apigatewayv2_integration.this.id}"
  authorization_type   = var.jwt == null ? "AWS_IAM" : "JWT"
  authorizer_id        = one(aws_apigatewayv2_authorizer.this[*].id)
  authorization_scopes = var.jwt == null ? null : var.jwt.scopes
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_338:How long logs stay is a variable
  name              = "/aws/vendedlogs/apigateway/${var.name}-upload"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.key_arn
}

resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true

  default_route_settings {
    throttling_burst_limit = var.burst_limit
    throttling_rate_limit  = var.rate_limit
  }

  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.this.arn
    format = jsonencode({
      requestId = "$context.requestId"
      time      = "$context.requestTime"
      route     = "$context.routeKey"
      status    = "$context.status"
      bytes     = "$context.responseLength"
      error     = "$context.error.message"
    })
  }
}

resource "aws_lambda_permission" "this" {
  statement_id   = "api"
  action         = "lambda:InvokeFunction"
  function_name  = var.upload.name
  qualifier      = var.upload.version
  principal      = "apigateway.amazonaws.com"
  source_arn     = "${aws_apigatewayv2_api.this.execution_arn}/*/*"
  source_account = data.aws_caller_identity.this.account_id
}
