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

variable "name" {
  description = "Name of the vault: 3 to 24 letters, digits and hyphens, unique in all of Azure."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]$", var.name))
    error_message = "name must be 3 to 24 characters of [A-Za-z0-9-], begin with a letter and not end with a hyphen."
  }
}

variable "key_name" {
  description = "Name of the key."
  type        = string
  default     = "platform-cmk"

  validation {
    condition     = can(regex("^[A-Za-z0-9-]{1,127}$", var.key_name))
    error_message = "key_name must be 1 to 127 characters of [A-Za-z0-9-]."
  }
}

variable "key_size" {
  description = "Bits of the RSA key."
  type        = number
  default     = 3072

  validation {
    condition     = contains([2048, 3072, 4096], var.key_size)
    error_message = "key_size must be 2048, 3072 or 4096."
  }
}

variable "rotation_days" {
  description = "Days after which Azure makes the next version. Older versions go on opening what they wrapped."
  type        = number
  default     = 90

  validation {
    # Azure takes no less than seven days from creation.
    condition     = var.rotation_days >= 7 && floor(var.rotation_days) == var.rotation_days
    error_message = "rotation_days must be a whole number of 7 or more."
  }
}

variable "resource_group_name" {
  description = "Resource group that the vault goes into."
  type        = string

  validation {
    condition     = length(var.resource_group_name) > 0
    error_message = "resource_group_name must not be empty."
  }
}

variable "location" {
  description = "Region of the vault (eastus)."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9]{2,40}$", var.location))
    error_message = "location must be a region as Azure's tools write it: eastus, westeurope."
  }
}

variable "directory_id" {
  description = "Id of this customer's directory (Entra tenant)."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.directory_id))
    error_message = "directory_id must be an id as 8-4-4-4-12 hexadecimal digits in lower case."
  }
}

variable "platform_client_id" {
  description = "Client id of keyproxy's application, as the platform names it. It goes into the tenant file."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.platform_client_id))
    error_message = "platform_client_id must be an id as 8-4-4-4-12 hexadecimal digits in lower case."
  }
}

variable "platform_object_id" {
  description = "Object id of that application's service principal in this directory: az ad sp show --id CLIENT_ID --query id."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.platform_object_id))
    error_message = "platform_object_id must be an id as 8-4-4-4-12 hexadecimal digits in lower case."
  }
}

variable "administrator_object_id" {
  description = "Object id of whoever runs this and may make keys in the vault. keyproxy may not."
  type        = string

  validation {
    condition     = can(regex("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", var.administrator_object_id))
    error_message = "administrator_object_id must be an id as 8-4-4-4-12 hexadecimal digits in lower case."
  }
}

variable "tags" {
  description = "Tags of the key, those that the platform's segregation matrix wants included. They are a version's."
  type        = map(string)
  default     = {}
}
