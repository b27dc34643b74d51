output "tenant_file" {
  description = "byok_config.yaml for keyproxy, which calls the key as its own service account."
  value = yamlencode({
    customer  = var.customer
    tenant_id = var.tenant_id
    encryption = {
      provider = "gcp_kms"
      gcp_kms = {
        key_name = google_kms_crypto_key.cmk.id
      }
    }
  })
}
