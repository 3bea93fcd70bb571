variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "account_id" {
  description = "The account: bucket names are everybody's, so ours end in it."
  type        = string
}

variable "images_bucket" {
  description = "Name of the bucket of the images; made from prefix and account where absent."
  type        = string
  default     = null
}

variable "results_bucket" {
  description = "Name of the bucket of the results; made from prefix and account where absent."
  type        = string
  default     = null
}

variable "key_arn" {
  description = "Customer-managed key of the buckets."
  type        = string
}

variable "noncurrent_days" {
  description = "Days that an older version of an object stays."
  type        = number
  default     = 90
}

variable "retention_days" {
  description = "Days that the record keeps events; for ever where absent. Their payloads and archives go 30 days later."
  type        = number
  default     = null

  # As SAFELIGHT_RETENTION_DAYS: what the functions cannot read would end every one of them.
  validation {
    condition     = var.retention_days == null ? true : var.retention_days == max(1, min(65535, floor(var.retention_days)))
    error_message = "retention_days is a whole number from 1 to 65535."
  }
}

variable "force_destroy" {
  description = "Whether destroying a bucket destroys what is in it."
  type        = bool
  default     = false
}
