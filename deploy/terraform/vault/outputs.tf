locals {
  # Each as JSON, so that both have one type for Terraform.
  logins = {
    approle = jsonencode({
      method         = "approle"
      mount          = one(vault_approle_auth_backend_role.keyproxy[*].backend)
      role_id        = one(vault_approle_auth_backend_role.keyproxy[*].role_id)
      secret_id_file = var.secret_id_file
    })
    kubernetes = jsonencode({
      method   = "kubernetes"
      mount    = var.kubernetes_mount
      role     = one(vault_kubernetes_auth_backend_role.keyproxy[*].role_name)
      audience = one(vault_kubernetes_auth_backend_role.keyproxy[*].audience)
    })
  }
}

output "tenant_file" {
  description = "byok_config.yaml for keyproxy."
  value = yamlencode({
    customer  = var.customer
    tenant_id = var.tenant_id
    encryption = {
      provider = "vault"
      # Without what there is not.
      vault = { for name, value in {
        address   = var.address
        namespace = var.namespace
        mount     = vault_mount.transit.path
        key_name  = vault_transit_secret_backend_key.cmk.name
        auth      = jsondecode(local.logins[var.login])
      } : name => value if value != null }
    }
  })
}
