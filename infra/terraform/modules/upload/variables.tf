variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "key_arn" {
  description = "Customer-managed key of the logs."
  type        = string
}

variable "upload" {
  description = "The function `upload`."
  type = object({
    name          = string
    version       = string
    qualified_arn = string
  })
}

variable "jwt" {
  description = "Whose tokens may upload; where null, signatures of principals of this account that may execute-api:Invoke."
  type = object({
    issuer   = string
    audience = list(string)
    scopes   = optional(list(string))
  })
  default = null
}

variable "rate_limit" {
  description = "Requests a second."
  type        = number
  default     = 50
}

variable "burst_limit" {
  description = "Requests at once beyond the rate."
  type        = number
  default     = 100
}

variable "log_retention_days" {
  description = "Days that logs stay."
  type        = number
  default     = 30
}
