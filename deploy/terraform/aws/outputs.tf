output "tenant_file" {
  description = "byok_config.yaml for keyproxy; the external id in it is no secret, but nobody else's business."
  value = yamlencode({
    customer  = var.customer
    tenant_id = var.tenant_id
    encryption = {
      provider = "aws_kms"
      aws_kms = {
        key_arn     = aws_kms_key.cmk.arn
        role_arn    = aws_iam_role.keyproxy.arn
        external_id = var.external_id
      }
    }
  })
}
