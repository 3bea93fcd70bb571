variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "key_arn" {
  description = "Customer-managed key of table and queue; it must grant events.amazonaws.com."
  type        = string
}

variable "state_machine_arn" {
  description = "ARN of the state machine whose executions are recorded."
  type        = string
}

variable "record" {
  description = "The function `record`."
  type = object({
    name            = string
    version         = string
    qualified_arn   = string
    timeout_seconds = number
  })
}

variable "deletion_protection" {
  description = "Whether the table refuses to be deleted."
  type        = bool
  default     = true
}

variable "max_receive_count" {
  description = "Receives before the notice of an end is a dead letter; the sweep closes its execution all the same."
  type        = number
  default     = 100
}

variable "maximum_concurrency" {
  description = "Invocations of `record` at once: each reads one history at a time, and GetExecutionHistory allows some 20 calls a second."
  type        = number
  default     = 5
}

variable "sweep_schedule" {
  description = "When executions without a seal are looked for."
  type        = string
  default     = "rate(1 hour)"
}
