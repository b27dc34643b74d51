/**
 * From a caller's pairs to the encryption context that everything is bound to: the pairs, `tenant_id`, and the flag
 * for associated data where some is given (docs/ciphertexts.md).
 */
import { associatedDataPair, EncryptionContext, isReservedName, tenantPair } from '../base/encryption-context.ts';
import { KeyproxyError } from '../base/errors.ts';
import type { TenantId } from '../base/ids.ts';
import { messageLimits } from '../envelope/limits.ts';

/** A caller's pairs as they came. */
export type Pairs = ReadonlyMap<string, string>;

/** Bound on a caller's pairs; the context selects the key, so it stays small. */
export const maxContextPairs = 64;

/**
 * Contexts that came before, since few of them come again and again and building one takes as long as finding its key.
 * When it is full all of them go; long ones are not kept.
 */
const known = new Map<string, EncryptionContext>();
const maxKnown = 512;
const maxKnownLength = 512;

/**
 * The context that new data goes under. Throws `CONTEXT_RESERVED` for a name that only keyproxy may set, and
 * `CONTEXT_INVALID` for an empty name or for more than the bounds.
 */
export function contextFor(tenantId: TenantId, pairs: Pairs, associatedData = false): EncryptionContext {
  // Lengths stand before what varies, so that no two lists of pairs share a name.
  let name = `${associatedData ? 'ad' : ''}:${tenantId}`;
  for (const [key, value] of pairs) name += `:${key.length}:${value.length}:${key}${value}`;
  if (name.length > maxKnownLength) return newContext(tenantId, pairs, associatedData);
  const before = known.get(name);
  if (before !== undefined) return before;
  const context = newContext(tenantId, pairs, associatedData);
  if (known.size >= maxKnown) known.clear();
  known.set(name, context);
  return context;
}

function newContext(tenantId: TenantId, pairs: Pairs, associatedData: boolean): EncryptionContext {
  if (pairs.size > maxContextPairs) {
    throw new KeyproxyError('CONTEXT_INVALID', {
      detail: `it has ${pairs.size} pairs, the limit is ${maxContextPairs}`,
      metadata: { limit: 'encryption_context_pairs', limit_value: String(maxContextPairs) },
    });
  }
  for (const name of pairs.keys()) {
    if (name === '') throw new KeyproxyError('CONTEXT_INVALID', { detail: 'a pair has an empty name' });
    if (isReservedName(name)) throw new KeyproxyError('CONTEXT_RESERVED');
  }
  const all: [string, string][] = [...pairs, [tenantPair, tenantId]];
  if (associatedData) all.push([associatedDataPair, '1']);
  return bounded(all);
}

function bounded(pairs: [string, string][]): EncryptionContext {
  let size = 2;
  for (const [name, value] of pairs) size += 4 + Buffer.byteLength(name) + Buffer.byteLength(value);
  const { maxContextBytes } = messageLimits;
  if (size > maxContextBytes) {
    throw new KeyproxyError('CONTEXT_INVALID', {
      detail: `it has ${size} bytes with its tenant, the limit is ${maxContextBytes}; put what varies into associated_data`,
      metadata: { limit: 'encryption_context_bytes', limit_value: String(maxContextBytes) },
    });
  }
  return EncryptionContext.of(pairs);
}

/**
 * Tells whether the pairs that a caller gave for decryption are those of `stored`. None at all are taken for an
 * answer. The reserved pairs that Decrypt returned may be given again: they are compared like any other.
 */
export function matchesStored(pairs: Pairs, stored: EncryptionContext): boolean {
  if (pairs.size === 0) return true;
  for (const [name, value] of pairs) if (stored.pairs.get(name) !== value) return false;
  for (const name of stored.pairs.keys()) if (!isReservedName(name) && !pairs.has(name)) return false;
  return true;
}

/** What Decrypt returns: the caller's pairs and the tenant, without what only the format needs. */
export function visiblePairs(stored: EncryptionContext): Map<string, string> {
  return new Map([...stored.pairs].filter(([name]) => name === tenantPair || !isReservedName(name)));
}

/** The caller's own pairs of a stored context. */
export function callerPairs(stored: EncryptionContext): Map<string, string> {
  return new Map([...stored.pairs].filter(([name]) => !isReservedName(name)));
}
