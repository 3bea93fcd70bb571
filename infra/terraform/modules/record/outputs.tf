output "table" {
  description = "The table."
  value = {
    arn  = aws_dynamodb_table.this.arn
    name = aws_dynamodb_table.this.name
  }
}

output "queue" {
  description = "The queue of the ended executions, and its dead letters."
  value = {
    name             = module.queue.name
    url              = module.queue.url
    dead_letter_name = module.queue.dead_letter_name
  }
}
