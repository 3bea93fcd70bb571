output "images_bucket" {
  description = "Put images here."
  value       = module.storage.images.id
}

output "results_bucket" {
  description = "Results are here."
  value       = module.storage.results.id
}

output "state_machine_arn" {
  description = "ARN of the state machine."
  value       = module.workflow.arn
}

output "table" {
  description = "Name of the record's table."
  value       = module.record.table.name
}

output "ingest_queue_url" {
  description = "URL of the queue of notifications."
  value       = module.ingest.queue.url
}

output "dead_letter_queue_url" {
  description = "URL of the queue of dead letters."
  value       = module.ingest.dead_letters.url
}

output "alarm_topic_arn" {
  description = "ARN of the topic of the alarms."
  value       = module.alerting.topic_arn
}

output "alarm_names" {
  description = "Names of the alarms."
  value       = module.alerting.alarm_names
}

output "webhook_secret_arn" {
  description = "Put Slack's webhook here: aws secretsmanager put-secret-value --secret-id <this> --secret-string <url>."
  value       = aws_secretsmanager_secret.webhook.arn
}

output "upload_endpoint" {
  description = "Where uploads go; null without them."
  value       = one(module.upload[*].endpoint)
}

output "function_versions" {
  description = "The published versions that the definition names."
  value       = { for name, function in local.functions : name => function.qualified_arn }
}
