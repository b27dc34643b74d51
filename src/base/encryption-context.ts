/**
 * The encryption context: string pairs that name what is protected, and their one serialised form `ser(EC)`.
 *
 *     ser(EC) = nothing                                 for no pairs
 *             | count:u16 ‖ (klen:u16 ‖ key ‖ vlen:u16 ‖ value)*    sorted by the UTF-8 bytes of the keys
 *
 * (AWS Encryption SDK specification, data-format/message-header.md, "AAD"; all integers big-endian.) A header of
 * somebody else's may hold its pairs unsorted; they are read in any order and always serialised in this one.
 */
import { isUtf8 } from 'node:buffer';
import { maxU16 } from './bytes.ts';

/** The pair that binds everything to its tenant. */
export const tenantPair = 'tenant_id';
/** The pair that tells that associated data is bound to a message; its only value is `1`. */
export const associatedDataPair = 'keyproxy-ad';

const reservedPrefixes = ['aws-crypto-', 'keyproxy-'];

/** Tells whether only keyproxy may set a pair of this name; ASCII case does not matter. */
export function isReservedName(name: string): boolean {
  const lower = name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  return lower === tenantPair || reservedPrefixes.some((prefix) => lower.startsWith(prefix));
}

/** Immutable pairs with their serialised form. */
export class EncryptionContext {
  /** The pairs, sorted by the UTF-8 bytes of their keys. */
  readonly pairs: ReadonlyMap<string, string>;
  /** `ser(EC)`, sorted. Shared: do not write to it. */
  readonly serialized: Buffer;

  private constructor(pairs: ReadonlyMap<string, string>, serialized: Buffer) {
    this.pairs = pairs;
    this.serialized = serialized;
  }

  /**
   * Serialises pairs given as strings. Throws a RangeError when a key, a value or the whole is over 65,535 bytes,
   * when a key occurs twice, or when a string holds half a surrogate pair (it has no UTF-8 form).
   */
  static of(pairs: Iterable<readonly [string, string]>): EncryptionContext {
    const fields: Field[] = [];
    for (const [key, value] of pairs) {
      if (!key.isWellFormed() || !value.isWellFormed()) throw new RangeError('a pair is not valid Unicode');
      fields.push({ key, value, keyBytes: Buffer.from(key, 'utf8'), valueBytes: Buffer.from(value, 'utf8') });
    }
    return EncryptionContext.#fromFields(fields);
  }

  /**
   * Reads a serialised context, in any order of its pairs. Returns undefined where the bytes are none: a count that
   * does not fit, a length that runs over the end, bytes left over, invalid UTF-8, a key that occurs twice, more
   * than 65,535 bytes.
   */
  static parse(bytes: Buffer): EncryptionContext | undefined {
    if (bytes.length === 0) return EncryptionContext.#fromFields([]);
    if (bytes.length < 2 || bytes.length > maxU16) return undefined;
    const count = bytes.readUInt16BE(0);
    if (count === 0) return undefined;
    const fields: Field[] = [];
    const seen = new Set<string>();
    let offset = 2;
    const next = (): Buffer | undefined => {
      if (bytes.length - offset < 2) return undefined;
      const start = offset + 2;
      const end = start + bytes.readUInt16BE(offset);
      if (end > bytes.length) return undefined;
      offset = end;
      return bytes.subarray(start, end);
    };
    for (let i = 0; i < count; i++) {
      const keyBytes = next();
      const valueBytes = next();
      if (keyBytes === undefined || valueBytes === undefined) return undefined;
      if (!isUtf8(keyBytes) || !isUtf8(valueBytes)) return undefined;
      const key = keyBytes.toString('utf8');
      if (seen.has(key)) return undefined;
      seen.add(key);
      fields.push({ key, value: valueBytes.toString('utf8'), keyBytes, valueBytes });
    }
    return offset === bytes.length ? EncryptionContext.#fromFields(fields) : undefined;
  }

  static #fromFields(fields: Field[]): EncryptionContext {
    if (fields.length > 1) fields.sort((a, b) => Buffer.compare(a.keyBytes, b.keyBytes));
    const pairs = new Map(fields.map((field) => [field.key, field.value]));
    if (pairs.size !== fields.length) throw new RangeError('a key occurs twice');
    return new EncryptionContext(pairs, serialize(fields));
  }

  /** Tells whether both hold the same pairs. */
  equals(other: EncryptionContext): boolean {
    return this.serialized.equals(other.serialized);
  }
}

interface Field {
  readonly key: string;
  readonly value: string;
  readonly keyBytes: Buffer;
  readonly valueBytes: Buffer;
}

function serialize(fields: readonly Field[]): Buffer {
  if (fields.length === 0) return Buffer.alloc(0);
  let size = 2;
  for (const { keyBytes, valueBytes } of fields) {
    if (keyBytes.length > maxU16 || valueBytes.length > maxU16) throw new RangeError('a key or value is too long');
    size += 4 + keyBytes.length + valueBytes.length;
  }
  if (size > maxU16) throw new RangeError(`the context has ${size} bytes, the format holds ${maxU16}`);
  // It is kept for as long as what was made under it: memory of its own, not a piece of Node's pool.
  const out = Buffer.allocUnsafeSlow(size);
  let offset = out.writeUInt16BE(fields.length, 0);
  for (const { keyBytes, valueBytes } of fields) {
    for (const bytes of [keyBytes, valueBytes]) {
      offset = out.writeUInt16BE(bytes.length, offset);
      out.set(bytes, offset);
      offset += bytes.length;
    }
  }
  return out;
}
