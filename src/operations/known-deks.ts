/**
 * Wrapped DEKs that came before, parsed: callers send few of them again and again. The same bytes give the same object,
 * so that what follows from it can be remembered with it. Nothing here is secret.
 */
import { ownCopy } from '../base/bytes.ts';
import { messageLimits } from '../envelope/limits.ts';
import { parseWrappedDek, type WrappedDek } from '../envelope/wrapped-dek.ts';

/** When there are so many, all of them go; those of more bytes are not kept. */
const [maxKnown, maxKnownLength] = [512, 1024];

const known = new Map<string, WrappedDek>();

/** Reads a wrapped DEK. Throws `DECRYPT_FAILED` on whatever the format does not allow. */
export function parseKnownDek(bytes: Buffer): WrappedDek {
  if (bytes.length > maxKnownLength) return parseWrappedDek(bytes, messageLimits);
  const name = bytes.toString('latin1');
  const before = known.get(name);
  if (before !== undefined) return before;
  const wrapped = parseWrappedDek(ownCopy(bytes), messageLimits);
  if (known.size >= maxKnown) known.clear();
  known.set(name, wrapped);
  return wrapped;
}
