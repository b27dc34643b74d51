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

/**
 * A copy in memory of its own, for whatever is kept for long: small buffers of Node's are pieces of a pool of 64 KiB, and
 * one of them keeps all of it alive.
 */
export function ownCopy(bytes: Uint8Array): Buffer {
  const own = Buffer.allocUnsafeSlow(bytes.length);
  own.set(bytes);
  return own;
}

/** Compares two byte strings in a time that depends on their lengths alone. */
export function equalInConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
