variable "name" {
  description = "Prefix of all names."
  type        = string
  default     = "safelight"
}

variable "region" {
  description = "Region."
  type        = string
  default     = "us-east-1"
}

variable "tags" {
  description = "Tags of everything."
  type        = map(string)
  default     = { application = "safelight" }
}

variable "repository" {
  description = "Folder of the repository; the one that this file is in where null."
  type        = string
  default     = null
}

variable "packages" {
  description = "Folder of the packages; target/lambda of the repository where null."
  type        = string
  default     = null
}

variable "architecture" {
  description = "What the packages are built for: x86_64 or arm64."
  type        = string
  default     = "x86_64"
}

variable "key_arn" {
  description = "A customer-managed key of yours, which must grant what modules/key grants; one is made where null."
  type        = string
  default     = null
}

# ---- what stays, and for how long

variable "images_bucket" {
  description = "Name of the bucket of the images; made from prefix and account where null."
  type        = string
  default     = null
}

variable "results_bucket" {
  description = "Name of the bucket of the results; made from prefix and account where null."
  type        = string
  default     = null
}

variable "retention_days" {
  description = "Days that the record keeps events; for ever where null. Headers and seals stay."
  type        = number
  default     = null

  # As SAFELIGHT_RETENTION_DAYS: what the functions cannot read would end every one of them.
  validation {
    condition     = var.retention_days == null ? true : var.retention_days == max(1, min(65535, floor(var.retention_days)))
    error_message = "retention_days is a whole number from 1 to 65535."
  }
}

variable "noncurrent_days" {
  description = "Days that an older version of an object stays."
  type        = number
  default     = 90
}

variable "log_retention_days" {
  description = "Days that logs stay."
  type        = number
  default     = 30
}

variable "deletion_protection" {
  description = "Whether the record's table refuses to be deleted."
  type        = bool
  default     = true
}

variable "force_destroy" {
  description = "Whether destroying a bucket destroys what is in it."
  type        = bool
  default     = false
}

# ---- what runs

variable "label_provider" {
  description = "Who labels: properties (the image's own), or rekognition."
  type        = string
  default     = "rekognition"

  validation {
    condition     = contains(["properties", "rekognition"], var.label_provider)
    error_message = "label_provider is properties or rekognition."
  }
}

variable "settings" {
  description = "Settings by function: its section of the configuration (docs/configuration.md)."
  type        = any
  default     = {}
}

variable "environment" {
  description = "Environment of every function beside."
  type        = map(string)
  default     = {}
}

variable "log" {
  description = "Log filter of the functions. The dead letters' lines are counted for the alarms."
  type        = string
  default     = "warn,safelight::dead_letters=info"
}

variable "concurrency" {
  description = "Most invocations at once, by function, taken from the account's; unreserved where absent."
  type        = map(number)
  default     = {}
}

variable "memory_mb" {
  description = "Memory by function, where it is not the manifest's."
  type        = map(number)
  default     = {}
}

variable "filter_policy" {
  description = "Which notifications reach the queue, as a filter policy on the message's body; all where null."
  type        = any
  default = {
    Records = {
      eventName = [{ prefix = "ObjectCreated:" }]
    }
  }
}

variable "ingest_max_receive_count" {
  description = "Receives before a notification is a dead letter."
  type        = number
  default     = 1000
}

variable "ingest_batch_size" {
  description = "Notifications of one invocation of `start`."
  type        = number
  default     = 10
}

variable "start_concurrency" {
  description = "Invocations of `start` at once."
  type        = number
  default     = 20
}

variable "record_concurrency" {
  description = "Invocations of `record` at once."
  type        = number
  default     = 5
}

variable "sweep_schedule" {
  description = "When executions without a seal are looked for."
  type        = string
  default     = "rate(1 hour)"
}

# ---- what is told

variable "alarm_email" {
  description = "Address that is told of every alarm beside Slack, also when Slack cannot be; null for none."
  type        = string
  default     = null
}

variable "dead_letter_depth_threshold" {
  description = "Dead letters at which the alarm on their number goes off."
  type        = number
  default     = 1
}

variable "dead_letter_new_thresholds" {
  description = "New dead letters a minute at which the alarm goes off, by branch, or trunk, rejected, start; 1 where absent."
  type        = map(number)
  default     = { rejected = 10 }
}

variable "dead_letter_age_threshold_days" {
  description = "Age of the oldest dead letter at which its expiry, after 14 days, threatens. A letter that SQS moved may have waited four days before, which its age here does not show."
  type        = number
  default     = 7
}

variable "waiting_threshold_hours" {
  description = "Hours that a message for start or record has waited when the alarm on that goes off."
  type        = number
  default     = 6
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

variable "recheck_schedule" {
  description = "How often new kinds of failure are looked for while an alarm is on."
  type        = string
  default     = "rate(5 minutes)"
}

# ---- uploads

variable "upload" {
  description = "Uploads over HTTP; none where null. Whose tokens may upload: `jwt`, or else signatures of this account."
  type = object({
    jwt = optional(object({
      issuer   = string
      audience = list(string)
      scopes   = optional(list(string))
    }))
    rate_limit  = optional(number, 50)
    burst_limit = optional(number, 100)
  })
  default = null
}
