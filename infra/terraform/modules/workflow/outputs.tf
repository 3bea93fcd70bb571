output "arn" {
  description = "ARN of the state machine."
  value       = aws_sfn_state_machine.this.arn
}

output "version_arn" {
  description = "ARN of the published version of the state machine."
  value       = aws_sfn_state_machine.this.state_machine_version_arn
}

output "name" {
  description = "Name of the state machine."
  value       = aws_sfn_state_machine.this.name
}
