output "tenant_file" {
  description = "byok_config.yaml for keyproxy with workload identity; other credentials are in docs/providers.md."
  value = yamlencode({
    customer  = var.customer
    tenant_id = var.tenant_id
    encryption = {
      provider = "azure_kv"
      azure_kv = {
        # Without the slash that Azure puts at its end.
        vault_url  = trimsuffix(azurerm_key_vault.vault.vault_uri, "/")
        key_name   = azurerm_key_vault_key.cmk.name
        credential = "workload_identity"
        tenant     = var.directory_id
        client_id  = var.platform_client_id
      }
    }
  })
}
