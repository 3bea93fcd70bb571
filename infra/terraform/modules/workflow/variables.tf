variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "definition" {
  description = "File of the composed definition: workflows/image.asl.json."
  type        = string
}

variable "functions" {
  description = "The functions by their short names."
  type = map(object({
    name          = string
    arn           = string
    version       = string
    qualified_arn = string
  }))
}

variable "key_arn" {
  description = "Customer-managed key of the logs."
  type        = string
}

variable "log_retention_days" {
  description = "Days that logs stay."
  type        = number
  default     = 30
}
