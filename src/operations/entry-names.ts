/** Under which names the cache keeps a tenant's keys: roots by key and context, opened keys by their wrapped forms. */
import type { EncryptionContext } from '../base/encryption-context.ts';
import type { EntryName } from '../dek/key-cache.ts';
import type { KeyService } from '../kms/key-service.ts';
import type { Tenant } from '../tenants/tenant.ts';
import { cacheKey } from './cache-key.ts';

/** The root of a context under the current key. */
export function rootName(tenant: Tenant, service: KeyService, context: EncryptionContext): EntryName {
  const key = cacheKey(Buffer.from(tenant.id), Buffer.from(service.keyId), context.serialized);
  return { tenant: tenant.id, space: 'root', key };
}

/** A key by its wrapped forms, of which `service` is the first to open one. */
export function dekName(
  tenant: Tenant,
  service: KeyService,
  { entriesBytes, context }: { entriesBytes: Buffer; context: EncryptionContext },
): EntryName {
  const key = cacheKey(Buffer.from(tenant.id), Buffer.from(service.keyId), entriesBytes, context.serialized);
  return { tenant: tenant.id, space: 'dek', key };
}
