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

variable "address" {
  description = "The server as keyproxy reaches it. Other than the provider's own address, it is what the tenant file has."
  type        = string

  validation {
    condition     = can(regex("^https://[^/?#@]+$", var.address))
    error_message = "address must be https://HOST or https://HOST:PORT, with nothing behind it."
  }
}

variable "mount" {
  description = "Where the transit engine is to be mounted."
  type        = string
  default     = "transit"

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$", var.mount))
    error_message = "mount must be a path of [A-Za-z0-9_-] without slashes at its ends."
  }
}

variable "key_name" {
  description = "Name of the key, and of policy and role."
  type        = string
  default     = "platform-cmk"

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,128}$", var.key_name))
    error_message = "key_name must be 1 to 128 characters of [A-Za-z0-9_-]."
  }
}

variable "rotation_days" {
  description = "Days after which Vault makes the next version. Older versions go on opening what they wrapped."
  type        = number
  default     = 90

  validation {
    condition     = var.rotation_days >= 1
    error_message = "rotation_days must be 1 or more."
  }
}

variable "login" {
  description = "How keyproxy logs in: approle, or kubernetes where Vault can check tokens of the platform's cluster."
  type        = string
  default     = "approle"

  validation {
    condition     = contains(["approle", "kubernetes"], var.login)
    error_message = "login must be approle or kubernetes."
  }
}

variable "secret_id_file" {
  description = "For approle: where keyproxy finds the secret id; in an injected sidecar below /var/run/secrets/keyproxy/files. Make it outside Terraform, whose state would keep it."
  type        = string
  default     = "/run/secrets/keyproxy/vault-secret-id"

  validation {
    condition     = startswith(var.secret_id_file, "/")
    error_message = "secret_id_file must be an absolute path."
  }
}

variable "kubernetes_mount" {
  description = "For kubernetes: where the method is mounted and configured already."
  type        = string
  default     = "kubernetes"

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$", var.kubernetes_mount))
    error_message = "kubernetes_mount must be a path of [A-Za-z0-9_-] without slashes at its ends."
  }
}

variable "service_account" {
  description = "For kubernetes: the service account that keyproxy runs as; in a sidecar, the application's."
  type = object({
    name      = string
    namespace = string
  })
  default = {
    name      = "keyproxy"
    namespace = "keyproxy"
  }

  validation {
    condition     = !contains([var.service_account.name, var.service_account.namespace], "*")
    error_message = "service_account must name one account of one namespace, not all of them."
  }
}

variable "audience" {
  description = "For kubernetes: audience of the projected token, which nobody else's Vault may have."
  type        = string
  default     = "vault://customer"

  validation {
    condition     = can(regex("^[^[:space:]]{1,256}$", var.audience))
    error_message = "audience must be 1 to 256 characters without spaces."
  }
}
