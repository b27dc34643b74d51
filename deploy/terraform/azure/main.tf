resource "azurerm_key_vault" "vault" {
  name                       = var.name
  resource_group_name        = var.resource_group_name
  location                   = var.location
  tenant_id                  = var.directory_id
  sku_name                   = "premium"
  rbac_authorization_enabled = true
  purge_protection_enabled   = true
  soft_delete_retention_days = 90

  # The key goes with its vault, and a change of name, region or resource group makes another vault in its place.
  lifecycle {
    prevent_destroy = true
  }
}

resource "azurerm_key_vault_key" "cmk" {
  name         = var.key_name
  key_vault_id = azurerm_key_vault.vault.id
  key_type     = "RSA-HSM"
  key_size     = var.key_size
  key_opts     = ["wrapKey", "unwrapKey"]
  tags         = var.tags

  # New versions, without an end: a version that expires takes no new data, and an older one still has to unwrap.
  rotation_policy {
    automatic {
      time_after_creation = "P${var.rotation_days}D"
    }
  }

  # Whoever makes the key must be allowed to first.
  depends_on = [azurerm_role_assignment.administrator]

  # All data under it would be lost with it; a change of name or size alone would make another key in its place.
  lifecycle {
    prevent_destroy = true
  }
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
