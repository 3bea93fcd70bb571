output "endpoint" {
  description = "URL that uploads go to: PUT <endpoint>/<bucket>/<key>."
  value       = aws_apigatewayv2_api.this.api_endpoint
}

output "execution_arn" {
  description = "ARN that a policy names to let a principal upload: <execution_arn>/*/PUT/*."
  value       = aws_apigatewayv2_api.this.execution_arn
}
