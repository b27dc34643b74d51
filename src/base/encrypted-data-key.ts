/**
 * An encrypted data key: one wrapped form of a data key, as the entries of a message header and of a wrapped DEK
 * carry it (AWS Encryption SDK specification, data-format/message-header.md, "Encrypted Data Keys").
 *
 *     entry = lp(provider id) ‖ lp(provider info) ‖ lp(ciphertext)
 */
import { maxU16, ownCopy } from './bytes.ts';

/** One entry. All three are bytes as they stand on the wire, up to 65,535 of them each. */
export interface EncryptedDataKey {
  /** Which kind of key service wrapped it, `aws-kms` say. */
  readonly providerId: Buffer;
  /** Which key wrapped it, in that service's own terms: an ARN, a key name with a nonce. */
  readonly providerInfo: Buffer;
  /** What the key service made of the data key. */
  readonly ciphertext: Buffer;
}

/** Appends the entries to each other. Throws a RangeError where a field is over 65,535 bytes. */
export function serializeEntries(entries: readonly EncryptedDataKey[]): Buffer {
  let size = 0;
  for (const entry of entries) {
    for (const field of [entry.providerId, entry.providerInfo, entry.ciphertext]) {
      if (field.length > maxU16) throw new RangeError('a field of an encrypted data key is too long');
      size += 2 + field.length;
    }
  }
  const out = Buffer.allocUnsafe(size);
  let offset = 0;
  for (const entry of entries) {
    for (const field of [entry.providerId, entry.providerInfo, entry.ciphertext]) {
      offset = out.writeUInt16BE(field.length, offset);
      out.set(field, offset);
      offset += field.length;
    }
  }
  return out;
}

/**
 * Reads `count` entries from `offset` on. Returns them, as views of `bytes`, with the offset after the last, or
 * undefined where a length runs over the end. Nothing is allocated from a length that the bytes do not back.
 */
export function parseEntries(
  bytes: Buffer,
  offset: number,
  count: number,
): { entries: EncryptedDataKey[]; end: number } | undefined {
  const entries: EncryptedDataKey[] = [];
  let at = offset;
  const next = (): Buffer | undefined => {
    if (bytes.length - at < 2) return undefined;
    const start = at + 2;
    const end = start + bytes.readUInt16BE(at);
    if (end > bytes.length) return undefined;
    at = end;
    return bytes.subarray(start, end);
  };
  for (let i = 0; i < count; i++) {
    const providerId = next();
    const providerInfo = next();
    const ciphertext = next();
    if (providerId === undefined || providerInfo === undefined || ciphertext === undefined) return undefined;
    entries.push({ providerId, providerInfo, ciphertext });
  }
  return { entries, end: at };
}

/** A copy in memory of its own: entries that were read are views of a whole message, which they would keep alive. */
export function copyOfEntry(entry: EncryptedDataKey): EncryptedDataKey {
  const { providerId, providerInfo, ciphertext } = entry;
  return {
    providerId: ownCopy(providerId),
    providerInfo: ownCopy(providerInfo),
    ciphertext: ownCopy(ciphertext),
  };
}
