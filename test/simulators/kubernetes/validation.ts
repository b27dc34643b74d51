/** What an API server wants of the kinds of objects that an injector writes. */
import { X509Certificate } from 'node:crypto';
import { ApiFailure, type KubernetesObject } from './objects.ts';

/** Throws an `ApiFailure` for an object that an API server would not keep. */
export function validate(object: KubernetesObject, before: KubernetesObject | undefined): void {
  if (object.kind === 'Secret') validateSecret(object, before);
  else if (/^(Mutat|Validat)ingWebhookConfiguration$/.test(object.kind)) validateConfiguration(object);
  else throw new ApiFailure(400, 'BadRequest', `there is no kind ${object.kind} here`);
}

/** Values are base64 with padding; the type never changes (pkg/apis/core/validation, ValidateSecretUpdate). */
function validateSecret(secret: KubernetesObject, before: KubernetesObject | undefined): void {
  for (const [name, value] of Object.entries((secret['data'] ?? {}) as Record<string, unknown>)) {
    if (typeof value !== 'string' || Buffer.from(value, 'base64').toString('base64') !== value) {
      throw new ApiFailure(400, 'BadRequest', `data.${name}: illegal base64 data`);
    }
    if (!/^[-._a-zA-Z0-9]{1,253}$/.test(name)) throw new ApiFailure(422, 'Invalid', `data: Invalid value: "${name}"`);
  }
  if (before?.['immutable'] === true && JSON.stringify(before['data']) !== JSON.stringify(secret['data'])) {
    throw new ApiFailure(422, 'Invalid', 'data: Forbidden: field is immutable when `immutable` is set');
  }
  if (before !== undefined && before['type'] !== secret['type']) {
    throw new ApiFailure(422, 'Invalid', 'type: Invalid value: field is immutable');
  }
}

interface Webhook {
  readonly name: string;
  readonly clientConfig: { readonly caBundle?: string };
}

/** A bundle must hold certificates and nothing that is none (pkg/util/webhook, ValidateCABundle). */
function validateConfiguration(configuration: KubernetesObject): void {
  const webhooks = configuration['webhooks'] as readonly Webhook[];
  const names = webhooks.map(({ name }) => name);
  if (new Set(names).size < names.length) throw new ApiFailure(422, 'Invalid', 'webhooks: Duplicate value');
  for (const { clientConfig } of webhooks) {
    if (clientConfig.caBundle === undefined) continue;
    try {
      const pem = Buffer.from(clientConfig.caBundle, 'base64').toString('latin1');
      const certificates = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
      if (certificates.length === 0) throw new Error('there is no certificate');
      for (const certificate of certificates) new X509Certificate(certificate);
    } catch {
      throw new ApiFailure(422, 'Invalid', 'webhooks[0].clientConfig.caBundle: unable to load root certificates');
    }
  }
}
