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

/** What a name was made for, beside the wrapped forms. */
interface Named {
  readonly tenantId: string;
  readonly keyId: string;
  readonly context: EncryptionContext;
  readonly name: EntryName;
}

/** The last name of the same wrapped forms, as an object: making one takes longer than finding its key. */
const named = new WeakMap<Buffer, Named>();

/** A key by its wrapped forms, of which `service` is the first to open one. */
export function dekName(
  tenant: Tenant,
  service: KeyService,
  { entriesBytes, context }: { entriesBytes: Buffer; context: EncryptionContext },
): EntryName {
  const before = named.get(entriesBytes);
  const [tenantId, { keyId }] = [tenant.id, service];
  if (before?.tenantId === tenantId && before.keyId === keyId && before.context === context) return before.name;
  const key = cacheKey(Buffer.from(tenantId), Buffer.from(keyId), entriesBytes, context.serialized);
  const name: EntryName = { tenant: tenant.id, space: 'dek', key };
  named.set(entriesBytes, { tenantId, keyId, context, name });
  return name;
}
