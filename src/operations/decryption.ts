/** Counts decryptions, Unwrap and Decrypt, that fail. */
import { KeyproxyError } from '../base/errors.ts';
import type { Tenant } from '../tenants/tenant.ts';
import type { Engine } from './engine.ts';

/** Reports a decryption that failed, with its reason, and what only the log may know. Returns what is to be thrown. */
export function failedDecryption(engine: Engine, tenant: Tenant, thrown: unknown): unknown {
  const { reason, cause } = KeyproxyError.from(thrown);
  engine.observer.decryptionEnded(tenant.id, reason, cause instanceof Error ? cause.message : undefined);
  return thrown;
}
