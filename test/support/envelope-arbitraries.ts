/** Arbitrary parts of messages and wrapped DEKs, and arbitrary damage to them. */
import fc from 'fast-check';
import type { EncryptedDataKey } from '../../src/base/encrypted-data-key.ts';
import { EncryptionContext } from '../../src/base/encryption-context.ts';

/** Up to `maxLength` bytes. */
export const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((array) => Buffer.from(array));
/** An encrypted data key of short fields. */
const entry: fc.Arbitrary<EncryptedDataKey> = fc.record({
  providerId: bytes(20),
  providerInfo: bytes(60),
  ciphertext: bytes(200),
});
/** As many entries as a message may have. */
export const entries = fc.array(entry, { minLength: 1, maxLength: 16 });
/** A context without the flag for associated data. */
export const context = fc
  .dictionary(fc.string({ unit: 'binary', maxLength: 12 }), fc.string({ unit: 'binary', maxLength: 30 }), {
    maxKeys: 6,
  })
  .map((pairs) => EncryptionContext.of(Object.entries(pairs).filter(([name]) => !name.startsWith('keyproxy-'))));

/** Every way in which one bit, the length or the tail of `original` may differ. */
export function damages(original: Buffer): fc.Arbitrary<Buffer> {
  const flip = fc.nat({ max: original.length * 8 - 1 }).map((bit) => {
    const copy = Buffer.from(original);
    copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    return copy;
  });
  const cut = fc.nat({ max: original.length - 1 }).map((length) => original.subarray(0, length));
  const tail = fc.uint8Array({ minLength: 1, maxLength: 80 }).map((more) => Buffer.concat([original, more]));
  return fc.oneof(flip, cut, tail);
}

/** Each bit of the bytes flipped in turn. */
export function* everyFlip(original: Buffer): Generator<Buffer> {
  for (let bit = 0; bit < original.length * 8; bit++) {
    const copy = Buffer.from(original);
    copy.writeUInt8(copy.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
    yield copy;
  }
}
