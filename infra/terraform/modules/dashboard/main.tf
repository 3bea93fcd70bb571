# One page: what came in, how it went, what waits, what failed, what it costs the table.

data "aws_region" "this" {}

locals {
  region = data.aws_region.this.name

  charts = [
    {
      title = "Executions"
      stat  = "Sum"
      metrics = [
        for metric in ["ExecutionsStarted", "ExecutionsSucceeded", "ExecutionsFailed", "ExecutionsTimedOut", "ExecutionThrottled"] :
        ["AWS/States", metric, "StateMachineArn", var.state_machine_arn]
      ]
    },
    {
      title = "Time of an execution (ms)"
      stat  = "p90"
      metrics = [
        ["AWS/States", "ExecutionTime", "StateMachineArn", var.state_machine_arn, { stat = "p50" }],
        ["AWS/States", "ExecutionTime", "StateMachineArn", var.state_machine_arn, { stat = "p99" }],
      ]
    },
    {
      title   = "Messages that wait"
      stat    = "Maximum"
      metrics = [for queue in var.queues : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue]]
    },
    {
      title   = "Age of the oldest message (s)"
      stat    = "Maximum"
      metrics = [for queue in var.queues : ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", queue]]
    },
    {
      title   = "New dead letters by origin"
      stat    = "Sum"
      metrics = [for origin in concat(var.branches, ["trunk", "rejected", "start"]) : [var.name, "DeadLetters", "Origin", origin]]
    },
    {
      title   = "Invocations"
      stat    = "Sum"
      metrics = [for function in var.functions : ["AWS/Lambda", "Invocations", "FunctionName", "${var.name}-${function}"]]
    },
    {
      title   = "Errors of functions"
      stat    = "Sum"
      metrics = [for function in var.functions : ["AWS/Lambda", "Errors", "FunctionName", "${var.name}-${function}"]]
    },
    {
      title   = "Throttles"
      stat    = "Sum"
      metrics = [for function in var.functions : ["AWS/Lambda", "Throttles", "FunctionName", "${var.name}-${function}"]]
    },
    {
      title   = "Time of an invocation, p90 (ms)"
      stat    = "p90"
      metrics = [for function in var.functions : ["AWS/Lambda", "Duration", "FunctionName", "${var.name}-${function}"]]
    },
    {
      title   = "Units of the table"
      stat    = "Sum"
      metrics = [for metric in ["ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits", "WriteThrottleEvents"] : ["AWS/DynamoDB", metric, "TableName", var.table_name]]
    },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.name

  dashboard_body = jsonencode({
    widgets = [
      for index, chart in local.charts : {
        type   = "metric"
        x      = (index % 2) * 12
        y      = floor(index / 2) * 6
        width  = 12
        height = 6
        properties = {
          title   = chart.title
          region  = local.region
          view    = "timeSeries"
          stat    = chart.stat
          period  = 60
          metrics = chart.metrics
        }
      }
    ]
  })
}
