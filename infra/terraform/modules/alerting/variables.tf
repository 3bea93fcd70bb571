variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "key_arn" {
  description = "Customer-managed key of topic and queue; it must grant cloudwatch.amazonaws.com and sns.amazonaws.com."
  type        = string
}

variable "alert" {
  description = "The function `alert`."
  type = object({
    name            = string
    version         = string
    qualified_arn   = string
    timeout_seconds = number
  })
}

variable "email" {
  description = "Address that is told of every alarm beside Slack; null for none. It has to confirm once."
  type        = string
  default     = null
}

variable "dead_letters_name" {
  description = "Name of the queue of the dead letters."
  type        = string
}

variable "own_dead_letters" {
  description = "Queues of what the product's own functions could not handle, by function."
  type        = map(string)
  default     = {}
}

variable "waiting" {
  description = "Queues of which no message may wait for long, by what they are for."
  type        = map(string)
  default     = {}
}

variable "waiting_threshold_hours" {
  description = "Hours that a message has waited when the alarm on that goes off: longer than a burst takes."
  type        = number
  default     = 6
}

variable "branches" {
  description = "Names of the branches."
  type        = list(string)
}

variable "functions" {
  description = "Short names of the functions whose throttles are watched."
  type        = list(string)
}

variable "log_groups" {
  description = "Log groups of the functions that send dead letters, by function."
  type        = map(string)
}

variable "depth_threshold" {
  description = "Dead letters at which the alarm on their number goes off."
  type        = number
  default     = 1
}

variable "new_thresholds" {
  description = "New dead letters a minute at which the alarm goes off, by branch, or trunk, rejected, start; 1 where absent."
  type        = map(number)
  default     = { rejected = 10 }
}

variable "age_threshold_days" {
  description = "Age of the oldest dead letter at which its expiry, after 14 days, threatens. A letter that SQS moved may have waited four days before, which its age here does not show."
  type        = number
  default     = 7

  validation {
    condition     = var.age_threshold_days >= 1 && var.age_threshold_days < 14
    error_message = "SQS deletes a message after 14 days: the alarm must go off before."
  }
}

variable "throttle_threshold" {
  description = "Throttles of a function in five minutes that count as one breach."
  type        = number
  default     = 100
}

variable "throttle_periods" {
  description = "Breaches, one after the other, that make the alarm go off."
  type        = number
  default     = 6
}

variable "max_receive_count" {
  description = "Receives before an alarm's notification is a dead letter: Slack may be away for a while."
  type        = number
  default     = 50
}

variable "recheck_schedule" {
  description = "How often new kinds of failure are looked for while an alarm is on."
  type        = string
  default     = "rate(5 minutes)"
}
