variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "publishers" {
  description = "Services that publish to encrypted topics and queues."
  type        = list(string)
  default     = ["s3.amazonaws.com", "sns.amazonaws.com", "cloudwatch.amazonaws.com", "events.amazonaws.com"]
}

variable "deletion_window_days" {
  description = "Days between asking for the key's deletion and its end."
  type        = number
  default     = 30
}
