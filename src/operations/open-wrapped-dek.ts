/** The way from a wrapped DEK to its key. Unwrap and Rewrap share it. */
import type { EncryptionContext } from '../base/encryption-context.ts';
import { KeyproxyError } from '../base/errors.ts';
import { messageLimits } from '../envelope/limits.ts';
import { parseWrappedDek, type WrappedDek, wrapTagMatches } from '../envelope/wrapped-dek.ts';
import type { Tenant } from '../tenants/tenant.ts';
import type { Engine } from './engine.ts';
import type { KeyInUse } from './key-in-use.ts';
import type { CacheOperation } from './observer.ts';

export interface WrappedDekRequest {
  readonly tenant: Tenant;
  readonly wrappedDek: Buffer;
  readonly context: EncryptionContext;
  readonly operation: CacheOperation;
  readonly signal: AbortSignal;
}

/**
 * Parses a wrapped DEK, gets its key and checks its tag, which binds tenant and context, on every call. The caller
 * disposes of the key. Everything that is wrong with the bytes is the one `DECRYPT_FAILED`.
 */
export async function openWrappedDek(
  engine: Engine,
  request: WrappedDekRequest,
): Promise<{ wrapped: WrappedDek; inUse: KeyInUse }> {
  const { tenant, context, operation, signal } = request;
  const wrapped = parseWrappedDek(request.wrappedDek, messageLimits);
  if (wrapped.kind === 3) fail('a root is not for callers');
  const inUse = await engine.keys.open({ tenant, context, operation, signal }, wrapped.entries);
  if (wrapTagMatches(wrapped, inUse.key.dataKey, tenant.id, context)) {
    inUse.keep();
    return { wrapped, inUse };
  }
  inUse[Symbol.dispose]();
  return fail('its tag does not match its tenant, context and key');
}

function fail(why: string): never {
  throw new KeyproxyError('DECRYPT_FAILED', { cause: new Error(why) });
}
