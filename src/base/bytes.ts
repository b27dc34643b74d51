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

/** Compares two byte strings in a time that depends on their lengths alone. */
export function equalInConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
