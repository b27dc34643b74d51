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

variable "project" {
  description = "Project that the key is in."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9.:-]{1,128}$", var.project))
    error_message = "project must be the id of a project (acme-keys), not its name or number."
  }
}

variable "location" {
  description = "Location of the key ring (us-central1, europe)."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9-]{1,63}$", var.location))
    error_message = "location must be a location of Cloud KMS: us-central1, europe, global."
  }
}

variable "key_ring" {
  description = "Name of the key ring. A ring cannot be deleted, so the name is taken for good."
  type        = string
  default     = "byok"

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,63}$", var.key_ring))
    error_message = "key_ring must be 1 to 63 characters of [A-Za-z0-9_-]."
  }
}

variable "key_name" {
  description = "Name of the key in the ring."
  type        = string
  default     = "platform-cmk"

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,63}$", var.key_name))
    error_message = "key_name must be 1 to 63 characters of [A-Za-z0-9_-]."
  }
}

variable "protection_level" {
  description = "Where the key is held."
  type        = string
  default     = "HSM"

  validation {
    condition     = contains(["SOFTWARE", "HSM"], var.protection_level)
    error_message = "protection_level must be SOFTWARE or HSM."
  }
}

variable "rotation_days" {
  description = "Days after which Google makes the next version. Older versions go on opening what they wrapped."
  type        = number
  default     = 90

  validation {
    condition     = var.rotation_days >= 1
    error_message = "rotation_days must be 1 or more."
  }
}

variable "platform_service_account" {
  description = "Address of keyproxy's service account, as the platform names it."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9-]{1,63}@[a-z0-9.-]{1,128}\\.gserviceaccount\\.com$", var.platform_service_account))
    error_message = "platform_service_account must be NAME@PROJECT.iam.gserviceaccount.com."
  }
}

variable "labels" {
  description = "Labels of the key, those that the platform's segregation matrix wants included; lower case."
  type        = map(string)
  default     = {}
}
