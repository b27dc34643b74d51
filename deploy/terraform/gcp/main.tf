resource "google_kms_key_ring" "ring" {
  project  = var.project
  name     = var.key_ring
  location = var.location
}

resource "google_kms_crypto_key" "cmk" {
  name            = var.key_name
  key_ring        = google_kms_key_ring.ring.id
  purpose         = "ENCRYPT_DECRYPT"
  rotation_period = "${var.rotation_days * 86400}s"
  labels          = var.labels

  version_template {
    algorithm        = "GOOGLE_SYMMETRIC_ENCRYPTION"
    protection_level = var.protection_level
  }

  # Its versions would be destroyed, and all data under them with them.
  lifecycle {
    prevent_destroy = true
  }
}

# For this key alone, not for the ring or the project. The first role wraps and unwraps; the second reads the state, so
# that a disabled version is told from trouble.
resource "google_kms_crypto_key_iam_member" "keyproxy" {
  for_each = toset(["roles/cloudkms.cryptoKeyEncrypterDecrypter", "roles/cloudkms.viewer"])

  crypto_key_id = google_kms_crypto_key.cmk.id
  role          = each.value
  member        = "serviceAccount:${var.platform_service_account}"
}
