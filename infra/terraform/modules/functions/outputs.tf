output "functions" {
  description = "Every function by its short name."
  value = {
    for name, function in aws_lambda_function.this : name => {
      name            = function.function_name
      arn             = function.arn
      version         = function.version
      qualified_arn   = "${function.arn}:${function.version}"
      timeout_seconds = function.timeout
      log_group       = aws_cloudwatch_log_group.this[name].name
      log_group_arn   = aws_cloudwatch_log_group.this[name].arn
    }
  }

  # Whoever calls one may rely on what it may do.
  depends_on = [aws_iam_role_policy.this]
}

output "branches" {
  description = "Names of the branches."
  value       = sort(keys(local.branches))
}
