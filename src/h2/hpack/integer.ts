/**
 * Integers and the bits in front of them (RFC 7541 sections 5.1 and 6). A number shares its first byte with a pattern
 * that says what it is about; where it does not fit the rest of that byte, the byte is full and more follow, seven bits
 * each, the lowest first.
 */

/** A place in a block that is read or written. */
export interface Cursor {
  readonly bytes: Buffer;
  /** The next byte. */
  at: number;
}

/** A first byte: its high bits, and the largest number that the others hold. */
export interface Prefix {
  readonly pattern: number;
  readonly mask: number;
}

/** Every first byte there is. */
export const prefixes = {
  /** A field of a table (section 6.1). */
  indexed: { pattern: 0x80, mask: 0x7f },
  /** A literal that enters the dynamic table (section 6.2.1). */
  inserted: { pattern: 0x40, mask: 0x3f },
  /** A new largest size of the dynamic table (section 6.3). */
  sizeUpdate: { pattern: 0x20, mask: 0x1f },
  /** A literal that nobody on the way may put into a table (section 6.2.3). */
  neverIndexed: { pattern: 0x10, mask: 0x0f },
  /** Any other literal (section 6.2.2). */
  plain: { pattern: 0x00, mask: 0x0f },
  /** The length of a string in the Huffman code (section 5.2). */
  huffmanString: { pattern: 0x80, mask: 0x7f },
  /** The length of a string as it is (section 5.2). */
  rawString: { pattern: 0x00, mask: 0x7f },
} as const satisfies Readonly<Record<string, Prefix>>;

/** The largest number that is read: beyond any table or block, and far from where sums or shifts go wrong. */
export const maxInteger = 2 ** 28;

/** The most bytes that a number may take after the first; `maxInteger` takes five, zeros in front of nothing may not add more. */
const maxMore = 5;

/** The most bytes that a number takes when written. */
export const maxIntegerSize = 1 + maxMore;

/** Reads a number. -1 where the block ends inside it, it is above `maxInteger`, or it is longer than any such number. */
export function readInteger(cursor: Cursor, mask: number): number {
  const { bytes } = cursor;
  if (cursor.at >= bytes.length) return -1;
  let value = (bytes[cursor.at++] ?? 0) & mask;
  if (value < mask) return value;
  const end = Math.min(bytes.length, cursor.at + maxMore);
  for (let scale = 1; cursor.at < end; scale *= 0x80) {
    const byte = bytes[cursor.at++] ?? 0;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) return value <= maxInteger ? value : -1;
  }
  return -1;
}

/** Writes a whole number of at most `maxInteger`. */
export function writeInteger(cursor: Cursor, { pattern, mask }: Prefix, value: number): void {
  const { bytes } = cursor;
  if (value < mask) {
    bytes[cursor.at++] = pattern | value;
    return;
  }
  bytes[cursor.at++] = pattern | mask;
  let rest = value - mask;
  while (rest >= 0x80) {
    bytes[cursor.at++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[cursor.at++] = rest;
}
