/**
 * Names of cache entries: SHA-256 over length-prefixed tenant, key, wrapped forms and context (docs/ciphertexts.md).
 * The salt of a derived DEK never enters, so that all that came from one root share its entry.
 */
import { hash } from 'node:crypto';

/** The name of what `parts` describe, in their order. Lengths are 32-bit, so that no two lists share a name. */
export function cacheKey(...parts: readonly Buffer[]): string {
  let size = 0;
  for (const part of parts) size += 4 + part.length;
  const bytes = Buffer.allocUnsafe(size);
  let offset = 0;
  for (const part of parts) {
    offset = bytes.writeUInt32BE(part.length, offset);
    bytes.set(part, offset);
    offset += part.length;
  }
  return hash('sha256', bytes, 'base64');
}
