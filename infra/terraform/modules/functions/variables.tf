variable "name" {
  description = "Prefix of all names."
  type        = string
}

variable "repository" {
  description = "Folder with functions/ in it."
  type        = string
}

variable "packages" {
  description = "Folder with <function>/bootstrap.zip in it: what `cargo xtask package` writes."
  type        = string
}

variable "architecture" {
  description = "What the packages are built for: x86_64 or arm64."
  type        = string
  default     = "x86_64"
}

variable "without" {
  description = "Functions that are not deployed."
  type        = list(string)
  default     = []
}

variable "resources" {
  description = "The ARNs of what the manifests call a resource."
  type        = map(list(string))
}

variable "results_bucket_arn" {
  description = "ARN of the bucket of the results."
  type        = string
}

variable "key_arn" {
  description = "Customer-managed key of what the functions read and write."
  type        = string
}

variable "environment" {
  description = "Environment of every function."
  type        = map(string)
}

variable "function_environment" {
  description = "Environment of one function beside, by its name."
  type        = map(map(string))
  default     = {}
}

variable "settings" {
  description = "Settings of a function, by its name: its section of the configuration, as JSON."
  type        = map(string)
  default     = {}
}

variable "concurrency" {
  description = "Most invocations at once, by function; as many as the account has where absent."
  type        = map(number)
  default     = {}
}

variable "memory_mb" {
  description = "Memory by function, where it is not the manifest's."
  type        = map(number)
  default     = {}
}

variable "log_retention_days" {
  description = "Days that logs stay."
  type        = number
  default     = 30
}
