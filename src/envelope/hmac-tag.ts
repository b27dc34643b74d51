/**
 * HMAC-SHA256 (RFC 2104) for tags, out of one-shot hashes. An `Hmac` object costs more than both hashes together, and
 * again when the collector has to let go of it; a digest as a buffer costs as much again as the hash itself.
 *
 * For tags alone, because both digests pass through strings, which cannot be wiped: neither tells anything of the key,
 * and neither is a key.
 */
import { hash } from 'node:crypto';
import { masks, writeMasked } from './hmac-block.ts';

const blockLength = 64;
const innerBlock = { blockLength, mask: masks.inner };
const outerBlock = { blockLength, mask: masks.outer };
const digestLength = 32;

// The code between filling and wiping these is synchronous, so no two tags ever share them.
// They are no Buffers, whose `subarray` and `fill` take several times as long.
const innerScratch = new Uint8Array(2048);
const outerScratch = new Uint8Array(blockLength + digestLength);
const digestInOuter = Buffer.from(outerScratch.buffer, blockLength);

/** The first `length` bytes, 32 at most, of the HMAC of the parts one after the other. `key` is 64 bytes at most. */
export function hmacTag(key: Uint8Array, parts: readonly Uint8Array[], length: number): Buffer {
  if (key.length > blockLength) throw new RangeError('the key is longer than a block of SHA-256');
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
  digestInOuter.write(hash('sha256', inner, 'binary'), 'binary');
  const tag = Buffer.from(hash('sha256', outerScratch, 'binary'), 'binary');
  inner.fill(0);
  outerScratch.fill(0);
  return tag.subarray(0, length);
}
