/** Counts one decryption, Unwrap or Decrypt, with the reason where it fails. */
import { KeyproxyError } from '../base/errors.ts';
import type { Tenant } from '../tenants/tenant.ts';
import type { Engine } from './engine.ts';

/** Runs `work` and reports how it ended. */
export async function decryption<T>(engine: Engine, tenant: Tenant, work: () => Promise<T>): Promise<T> {
  try {
    const result = await work();
    engine.observer.decryptionEnded(tenant.id);
    return result;
  } catch (error) {
    engine.observer.decryptionEnded(tenant.id, KeyproxyError.from(error).reason);
    throw error;
  }
}
