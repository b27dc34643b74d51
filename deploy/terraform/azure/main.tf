resource "azurerm_key_vault" "vault" {
  name                       = var.name
  resource_group_name        = var.resource_group_name
  location                   = var.location
  tenant_id                  = var.directory_id
  sku_name                   = "premium"
  rbac_authorization_enabled = true
  purge_protection_enabled   = true
  soft_delete_retention_days = 90
}

resource "azurerm_key_vault_key" "cmk" {
  name         = var.key_name
  key_vault_id = azurerm_key_vault.vault.id
  key_type     = "RSA-HSM"
  key_size     = var.key_size
  key_opts     = ["wrapKey", "unwrapKey"]
  tags         = var.tags

  # Whoever makes the key must be allowed to first.
  depends_on = [azurerm_role_assignment.administrator]
}

resource "azurerm_role_assignment" "administrator" {
  scope                = azurerm_key_vault.vault.id
  role_definition_name = "Key Vault Crypto Officer"
  principal_id         = var.administrator_object_id
}

# The smallest built-in role that can unwrap: it reads the key, wraps and unwraps. "Key Vault Crypto User" could sign
# and encrypt as well. Its scope is this key, not the vault.
resource "azurerm_role_assignment" "keyproxy" {
  scope                = azurerm_key_vault_key.cmk.resource_versionless_id
  role_definition_name = "Key Vault Crypto Service Encryption User"
  principal_id         = var.platform_object_id
  principal_type       = "ServicePrincipal"
}
