/** The way from a wrapped DEK to its key. Unwrap and Rewrap share it. */
import { KeyproxyError } from '../base/errors.ts';
import type { SecretBytes } from '../base/secret.ts';
import type { Lease } from '../dek/lease.ts';
import { type WrappedDek, wrapTagMatches } from '../envelope/wrapped-dek.ts';
import type { Engine } from './engine.ts';
import type { KeyInUse } from './key-in-use.ts';
import type { KeyRequest } from './key-request.ts';
import { parseKnownDek } from './known-deks.ts';

/** What is wanted, and the bytes that it is in. */
export interface WrappedDekRequest extends KeyRequest {
  readonly wrappedDek: Buffer;
}

/** A wrapped DEK whose key is at hand, proven to be this tenant's and this context's. */
export interface OpenedDek {
  readonly wrapped: WrappedDek;
  /** The caller disposes of it. */
  readonly inUse: KeyInUse;
  /** What the same bytes held before, where they came before; the caller disposes of it. */
  readonly proven?: Lease<SecretBytes>;
}

/**
 * Parses a wrapped DEK, gets its key and checks its tag, which binds tenant and context, unless the very same bytes
 * passed before. Everything that is wrong with the bytes is the one `DECRYPT_FAILED`.
 */
export async function openWrappedDek(engine: Engine, request: WrappedDekRequest): Promise<OpenedDek> {
  const { tenant, context } = request;
  const wrapped = parseKnownDek(request.wrappedDek);
  if (wrapped.kind === 3) fail('a root is not for callers');
  const inUse = engine.keys.cached(request, wrapped) ?? (await engine.keys.open(request, wrapped));
  const proven = inUse.key.proven.find(request.wrappedDek);
  if (proven !== undefined) return { wrapped, inUse, proven };
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
