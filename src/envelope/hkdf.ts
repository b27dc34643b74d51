/**
 * HKDF with SHA-512 (RFC 5869), for keys of up to one hash block's output.
 *
 * It is built on one-shot hashes for three reasons. `hkdfSync` takes no more than 1,024 bytes of info, and an
 * encryption context may be longer. A message needs two keys out of one extraction, and `hkdfSync` extracts anew for
 * each. And every intermediate value that leads to a key lies in a buffer that is overwritten here.
 */
import { hash } from 'node:crypto';
import { masks, writeMasked } from './hmac-block.ts';

// Length in bytes of an extracted key, and the longest key that can be expanded from it.
const hashLength = 64;
const blockLength = 128;
const innerBlock = { blockLength, mask: masks.inner };
const outerBlock = { blockLength, mask: masks.outer };

// The code between filling and wiping these is synchronous, so no two derivations ever share them.
// They are no Buffers, whose `subarray` and `fill` take several times as long.
const innerScratch = new Uint8Array(blockLength + 2048);
const outerScratch = new Uint8Array(blockLength + hashLength);
const digestInOuter = Buffer.from(outerScratch.buffer, blockLength);
const blockOne = Uint8Array.of(1);

/** HKDF-Extract: 64 bytes that are as secret as `keyMaterial`; the caller wipes them. `salt` is 128 bytes at most. */
export function extract(salt: Uint8Array, keyMaterial: Uint8Array): Buffer {
  return hmac(salt, [keyMaterial], 'secret');
}

/** HKDF-Expand: `length` bytes, 64 at most; the caller wipes them, and no copy of them remains. */
export function expand(extracted: Uint8Array, info: readonly Uint8Array[], length: number): Buffer {
  if (length > hashLength) throw new RangeError('one expansion gives 64 bytes at most');
  const block = hmac(extracted, [...info, blockOne], 'public');
  block.fill(0, length);
  return block.subarray(0, length);
}

/**
 * HMAC-SHA512 (RFC 2104) of the parts one after the other; `key` is 128 bytes at most. Where the key is public, the
 * inner digest leads to the result and is kept as carefully; where it is secret, the inner digest alone leads nowhere
 * and may pass through a string, which costs less than a buffer.
 */
function hmac(key: Uint8Array, parts: readonly Uint8Array[], innerDigest: 'secret' | 'public'): Buffer {
  if (key.length > blockLength) throw new RangeError('the key is longer than a block of SHA-512');
  let end = blockLength;
  for (const part of parts) end += part.length;
  const inner = end <= innerScratch.length ? innerScratch.subarray(0, end) : new Uint8Array(end);
  writeMasked(inner, key, innerBlock);
  let offset = blockLength;
  for (const part of parts) {
    inner.set(part, offset);
    offset += part.length;
  }
  writeMasked(outerScratch, key, outerBlock);
  if (innerDigest === 'public') digestInOuter.write(hash('sha512', inner, 'binary'), 'binary');
  else {
    const digest = hash('sha512', inner, 'buffer');
    outerScratch.set(digest, blockLength);
    digest.fill(0);
  }
  const result = hash('sha512', outerScratch, 'buffer');
  inner.fill(0);
  outerScratch.fill(0);
  return result;
}
