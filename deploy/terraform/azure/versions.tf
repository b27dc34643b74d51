terraform {
  required_version = ">= 1.5"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.42" # since then the argument is called rbac_authorization_enabled
    }
  }
}
