variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "key_arn" {
  description = "Customer-managed key of topic and queues; it must grant s3.amazonaws.com and sns.amazonaws.com."
  type        = string
}

variable "images" {
  description = "The bucket of the images."
  type = object({
    id  = string
    arn = string
  })
}

variable "start" {
  description = "The function `start`."
  type = object({
    name            = string
    version         = string
    qualified_arn   = string
    timeout_seconds = number
  })
}

variable "filter_policy" {
  description = "Which notifications reach the queue, as a filter policy on the message's body; all where null. What it lets pass `start` still reads itself, so that it saves only messages."
  type        = any
  default = {
    Records = {
      eventName = [{ prefix = "ObjectCreated:" }]
    }
  }
}

variable "max_receive_count" {
  description = "Receives before a notification is a dead letter. Throttling is one, so that a good image must never come near it."
  type        = number
  default     = 1000
}

variable "batch_size" {
  description = "Notifications of one invocation of `start`."
  type        = number
  default     = 10
}

variable "maximum_concurrency" {
  description = "Invocations of `start` at once."
  type        = number
  default     = 20
}
