output "queue" {
  description = "The queue of the notifications."
  value = {
    arn  = module.queue.arn
    url  = module.queue.url
    name = module.queue.name
  }
}

output "dead_letters" {
  description = "The queue of the dead letters."
  value = {
    arn  = aws_sqs_queue.dead_letters.arn
    url  = aws_sqs_queue.dead_letters.url
    name = aws_sqs_queue.dead_letters.name
  }
}

output "topic_arn" {
  description = "ARN of the topic of the notifications."
  value       = aws_sns_topic.images.arn
}
