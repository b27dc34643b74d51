resource "vault_mount" "transit" {
  path        = var.mount
  type        = "transit"
  description = "Keys of ${var.customer} that keyproxy may use"

  # All keys of the engine go with it.
  lifecycle {
    prevent_destroy = true
  }
}

resource "vault_transit_secret_backend_key" "cmk" {
  backend            = vault_mount.transit.path
  name               = var.key_name
  type               = "aes256-gcm96"
  derived            = false
  exportable         = false
  deletion_allowed   = false
  auto_rotate_period = var.rotation_days * 86400

  # Vault would refuse as well, but only after policy and role were gone.
  lifecycle {
    prevent_destroy = true
  }
}

# What keyproxy calls, and no more: docs/providers.md, Vault, permissions. Never "create" on encrypt: with it, a mistyped
# name makes a new key.
resource "vault_policy" "keyproxy" {
  name = var.key_name

  policy = <<-EOT
    path "${var.mount}/encrypt/${vault_transit_secret_backend_key.cmk.name}" {
      capabilities = ["update"]
    }

    path "${var.mount}/decrypt/${vault_transit_secret_backend_key.cmk.name}" {
      capabilities = ["update"]
    }

    path "${var.mount}/keys/${vault_transit_secret_backend_key.cmk.name}" {
      capabilities = ["read"]
    }
  EOT
}

# At a place of its own: an unmounted method takes everybody's roles with it, and "approle" is often taken already.
resource "vault_auth_backend" "approle" {
  count = var.login == "approle" && var.approle_mount == null ? 1 : 0

  type        = "approle"
  path        = "keyproxy-approle"
  description = "For keyproxy alone"
}

resource "vault_approle_auth_backend_role" "keyproxy" {
  count = var.login == "approle" ? 1 : 0

  backend        = var.approle_mount == null ? one(vault_auth_backend.approle[*].path) : var.approle_mount
  role_name      = var.key_name
  token_policies = [vault_policy.keyproxy.name]
  token_ttl      = 3600
  token_max_ttl  = 86400
}

# The audience keeps a token that this Vault was shown from being good at another customer's.
resource "vault_kubernetes_auth_backend_role" "keyproxy" {
  count = var.login == "kubernetes" ? 1 : 0

  backend                          = var.kubernetes_mount
  role_name                        = var.key_name
  bound_service_account_names      = [var.service_account.name]
  bound_service_account_namespaces = [var.service_account.namespace]
  audience                         = var.audience == null ? "vault://${var.tenant_id}" : var.audience
  token_policies                   = [vault_policy.keyproxy.name]
  token_ttl                        = 3600
  token_max_ttl                    = 86400

  lifecycle {
    precondition {
      condition     = var.service_account != null
      error_message = "login = \"kubernetes\" needs service_account: the one that keyproxy runs as, as the platform names it."
    }
  }
}
