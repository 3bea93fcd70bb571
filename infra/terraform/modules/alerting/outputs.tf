output "topic_arn" {
  description = "ARN of the topic of the alarms: subscribe what is to hear of them beside Slack."
  value       = aws_sns_topic.alarms.arn
}

output "queue" {
  description = "The queue of the alarms' notifications, and its dead letters."
  value = {
    name             = module.queue.name
    url              = module.queue.url
    dead_letter_name = module.queue.dead_letter_name
  }
}

output "alarm_names" {
  description = "Names of all alarms."
  value = sort(concat(
    [aws_cloudwatch_metric_alarm.depth.alarm_name, aws_cloudwatch_metric_alarm.age.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.new : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.own : alarm.alarm_name],
    [for alarm in aws_cloudwatch_metric_alarm.throttles : alarm.alarm_name],
  ))
}
