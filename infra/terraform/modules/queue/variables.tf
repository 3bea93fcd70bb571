variable "name" {
  description = "Name of the queue."
  type        = string
}

variable "key_arn" {
  description = "Customer-managed key of the queue."
  type        = string
}

variable "senders" {
  description = "Who may send: the service, and the ARN of the topic or rule."
  type = map(object({
    service = string
    arn     = string
  }))
}

variable "function" {
  description = "The function that the queue feeds."
  type = object({
    name            = string
    version         = string
    qualified_arn   = string
    timeout_seconds = number
  })
}

variable "retention_days" {
  description = "Days that a message waits."
  type        = number
  default     = 14
}

variable "max_receive_count" {
  description = "Receives before a message is a dead letter. Throttling counts as one: high where it is to be ridden out."
  type        = number
}

variable "dead_letters" {
  description = "The queue where dead letters go; one of its own where absent."
  type = object({
    arn = string
  })
  default = null
}

variable "batch_size" {
  description = "Messages of one invocation."
  type        = number
  default     = 10
}

variable "batching_window_seconds" {
  description = "How long a batch is gathered."
  type        = number
  default     = 0
}

variable "maximum_concurrency" {
  description = "Invocations at once, 2 to 1,000."
  type        = number
}
