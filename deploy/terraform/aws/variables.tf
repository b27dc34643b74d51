variable "customer" {
  description = "Name of the customer, as the tenant file has it."
  type        = string

  validation {
    condition     = can(regex("^[^[:cntrl:]]{1,256}$", var.customer))
    error_message = "customer must be 1 to 256 printable characters."
  }
}

variable "tenant_id" {
  description = "Tenant that the key is for. The key serves no other one."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]{1,128}$", var.tenant_id))
    error_message = "tenant_id must be 1 to 128 characters of [A-Za-z0-9._-]."
  }
}

variable "platform_principal_arn" {
  description = "ARN of keyproxy's own role, as the platform names it."
  type        = string

  validation {
    condition     = can(regex("^arn:(aws|aws-cn|aws-us-gov):iam::[0-9]{12}:role/.+$", var.platform_principal_arn))
    error_message = "platform_principal_arn must be the ARN of a role: arn:aws:iam::ACCOUNT:role/NAME."
  }
}

variable "external_id" {
  description = "External id that the platform gave to this customer, and to nobody else."
  type        = string

  validation {
    # Regular expressions of Terraform count to 1000 at most.
    condition     = can(regex("^[A-Za-z0-9_+=,.@:/-]{2,}$", var.external_id)) && length(var.external_id) <= 1224
    error_message = "external_id must be 2 to 1224 characters of [A-Za-z0-9_+=,.@:/-]."
  }
}

variable "name" {
  description = "Name of the role and, after alias/, of the key."
  type        = string
  default     = "keyproxy-byok"

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,64}$", var.name))
    error_message = "name must be 1 to 64 characters of [A-Za-z0-9_-]."
  }
}

variable "multi_region" {
  description = "Whether the key can have replicas in other regions. It cannot be changed later."
  type        = bool
  default     = false
}

variable "deletion_window_in_days" {
  description = "Days between the order to delete the key and the end of all data under it."
  type        = number
  default     = 30

  validation {
    condition     = var.deletion_window_in_days >= 7 && var.deletion_window_in_days <= 30
    error_message = "deletion_window_in_days must be 7 to 30."
  }
}

variable "tags" {
  description = "Tags of key and role, those that the platform's segregation matrix wants included."
  type        = map(string)
  default     = {}
}
