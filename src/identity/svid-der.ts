/**
 * Reads DER (X.690, section 10) as far as certificates need it: a value is a tag, a length and contents. Stricter than the
 * parser of TLS, which takes BER here and there: a length that is longer than it must be, of no fixed end, or past the end
 * of the bytes is an error, and so are bytes that are left over. What two parsers could read differently is not read.
 */

/** The bytes are not what they should be. The message tells the rule and shows none of them. */
export class DerError extends Error {}

/** Tags of the universal types that certificates have (X.690, section 8.1.2). */
export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  sequence: 0x30,
} as const;

/** The tag of `[number]` around a simple value. */
export function implicitTag(number: number): number {
  return 0x80 | number;
}

/** The tag of `[number]` around a whole value. */
export function explicitTag(number: number): number {
  return 0xa0 | number;
}

/** Values one after the other; each method throws a `DerError` where something else stands there. */
export class DerReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Whether everything has been read. */
  get isAtEnd(): boolean {
    return this.#offset === this.#bytes.length;
  }

  /** The tag of the next value; undefined at the end. */
  get nextTag(): number | undefined {
    return this.#bytes[this.#offset];
  }

  /** The contents of the next value, which must have this tag; a view. */
  take(tag: number): Buffer {
    if (this.nextTag !== tag) throw new DerError('another type of value is needed there');
    return this.any().contents;
  }

  /** The contents of the next value where it has this tag. */
  takeOptional(tag: number): Buffer | undefined {
    return this.nextTag === tag ? this.take(tag) : undefined;
  }

  /** A reader of what is inside the next value, which must have this tag. */
  enter(tag: number): DerReader {
    return new DerReader(this.take(tag));
  }

  /** A truth value, or `absent` where none stands there. Its default may be written out, as some issuers do. */
  takeBoolean(absent: boolean): boolean {
    const contents = this.takeOptional(tags.boolean);
    if (contents === undefined) return absent;
    const [value] = contents;
    if (contents.length !== 1 || (value !== 0x00 && value !== 0xff)) throw new DerError('a truth value is 00 or FF');
    return value === 0xff;
  }

  /** The next value, whatever it is. */
  any(): { readonly tag: number; readonly contents: Buffer } {
    const tag = this.#byte();
    if ((tag & 0x1f) === 0x1f) throw new DerError('a certificate has no tags of several bytes');
    const length = this.#length();
    const start = this.#offset;
    if (length > this.#bytes.length - start) throw new DerError('a value ends after its bytes');
    this.#offset = start + length;
    return { tag, contents: this.#bytes.subarray(start, start + length) };
  }

  /** Throws where something is left. */
  end(): void {
    if (!this.isAtEnd) throw new DerError('something follows where nothing may');
  }

  /** X.690, sections 8.1.3 and 10.1; three bytes of length hold 16 MiB. */
  #length(): number {
    const first = this.#byte();
    if (first < 0x80) return first;
    const size = first & 0x7f;
    if (size > 3) throw new DerError('a length has one to three bytes');
    let length = 0;
    for (let index = 0; index < size; index += 1) length = length * 0x100 + this.#byte();
    if (length < 0x80 || length < 0x100 ** (size - 1))
      throw new DerError('a length is told, and is as short as it can be');
    return length;
  }

  #byte(): number {
    const byte = this.nextTag;
    if (byte === undefined) throw new DerError('the bytes end in the middle of a value');
    this.#offset += 1;
    return byte;
  }
}

/** The bits of a bit string, the first one being bit 0 (X.690, sections 8.6 and 11.2). */
export function bitsOf(contents: Buffer): (bit: number) => boolean {
  const [unused = 8] = contents;
  const bits = contents.subarray(1);
  const padding = (bits.at(-1) ?? 0) & ((1 << unused) - 1);
  if (unused > 7 || (bits.length === 0 && unused > 0) || padding !== 0) {
    throw new DerError('a bit string tells how many of its last bits are unused, and they are zero');
  }
  return (bit) => ((bits[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0;
}
