variable "name" {
  description = "Prefix of all names, and the dashboard's own."
  type        = string
}

variable "state_machine_arn" {
  description = "ARN of the state machine."
  type        = string
}

variable "table_name" {
  description = "Name of the record's table."
  type        = string
}

variable "queues" {
  description = "Names of the queues."
  type        = list(string)
}

variable "functions" {
  description = "Short names of the functions."
  type        = list(string)
}

variable "branches" {
  description = "Names of the branches."
  type        = list(string)
}
