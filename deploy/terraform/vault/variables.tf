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

variable "namespace" {
  description = "Namespace as keyproxy names it, from the root on; null without namespaces. The provider's own has to be the same: like its address, it is set where the provider is."
  type        = string
  default     = null

  validation {
    condition     = var.namespace == null || can(regex("^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$", var.namespace))
    error_message = "namespace must be a path of [A-Za-z0-9_-] without slashes at its ends."
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

variable "approle_mount" {
  description = "For approle: where the method is mounted already. Null mounts one at keyproxy-approle, for keyproxy alone."
  type        = string
  default     = null

  validation {
    condition     = var.approle_mount == null || can(regex("^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$", var.approle_mount))
    error_message = "approle_mount must be a path of [A-Za-z0-9_-] without slashes at its ends."
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
  description = "For kubernetes: the service account that keyproxy runs as. For a node daemon the platform names it (keyproxy-node); in a sidecar it is the application's."
  type = object({
    name      = string
    namespace = string
  })
  default = null

  validation {
    # Names as Kubernetes has them. Vault takes * anywhere in them for any text.
    condition = var.service_account == null || (
      can(regex("^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", var.service_account.name)) &&
      can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.service_account.namespace))
    )
    error_message = "service_account must be the name of one account and the name of its namespace, in lower case and without *."
  }
}

variable "audience" {
  description = "For kubernetes: audience of the projected token, which nobody else's Vault may have. Null takes vault://TENANT_ID."
  type        = string
  default     = null

  validation {
    condition = var.audience == null || (
      can(regex("^[^[:space:][:cntrl:]*,]{1,256}$", var.audience)) &&
      !can(regex("^(https://)?kubernetes\\.default", var.audience))
    )
    error_message = "audience must be 1 to 256 characters without spaces, commas and *, and not the cluster's own API server."
  }
}
