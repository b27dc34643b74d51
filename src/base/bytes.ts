/** Byte helpers that several formats share: length prefixes and a comparison in constant time. */
import { timingSafeEqual } from 'node:crypto';

/** The largest length that a 16-bit prefix can hold. */
export const maxU16 = 0xffff;

/** `lp(x)`: the length of `x` as 16-bit big-endian, then `x`. Throws a RangeError over 65,535 bytes. */
export function lengthPrefixed(value: string | Uint8Array): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'utf8') : value;
  const out = Buffer.allocUnsafe(2 + bytes.length);
  out.writeUInt16BE(bytes.length, 0);
  out.set(bytes, 2);
  return out;
}

/** Typed arrays of more bytes than this are never on V8's heap (`typed_array_max_size_in_heap`, fixed at its build). */
const largestOnHeap = 64;

/**
 * Memory of its own, off V8's heap, whatever is in it. `Buffer.alloc` and `allocUnsafeSlow` put up to 64 bytes on that
 * heap, whose collector moves them and leaves the old bytes behind, where no wipe reaches them. An ArrayBuffer never
 * lies there.
 */
export function ownBytes(length: number): Buffer {
  return length > largestOnHeap ? Buffer.allocUnsafeSlow(length) : Buffer.from(new ArrayBuffer(length));
}

/**
 * A copy in such memory, for whatever is kept for long or wiped: small buffers of Node's are pieces of a pool of 64 KiB,
 * and one of them keeps all of it alive.
 */
export function ownCopy(bytes: Uint8Array): Buffer {
  const own = ownBytes(bytes.length);
  own.set(bytes);
  return own;
}

/** Compares two byte strings in a time that depends on their lengths alone. */
export function equalInConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
