/**
 * What an entry of a local key looks like: the layout of a raw AES key ring of the AWS Encryption SDK, so that every
 * official SDK opens it with the key file and nothing else (AWS Encryption SDK specification,
 * framework/raw-aes-keyring.md, "Key Provider Information").
 *
 *     provider id   = "keyproxy-local"
 *     provider info = name ‖ tag length in bits:u32 = 128 ‖ iv length in bytes:u32 = 12 ‖ iv[12]
 *     ciphertext    = AES-256-GCM(key, iv, data key, AAD = ser(EC)) ‖ tag[16]
 */
import type { EncryptedDataKey } from '../../base/encrypted-data-key.ts';

/** Marks entries that a local key wrapped: the key namespace of a raw AES key ring. */
export const localProviderId = 'keyproxy-local';
/** Length of the nonce in bytes. */
export const ivLength = 12;
/** Length of the authentication tag in bytes. */
export const tagLength = 16;

const providerId = Buffer.from(localProviderId);
const lengths = Buffer.alloc(8);
lengths.writeUInt32BE(tagLength * 8, 0);
lengths.writeUInt32BE(ivLength, 4);

/** Puts an entry together. `sealed` is ciphertext and tag. */
export function localEntry(name: Buffer, iv: Buffer, sealed: Buffer): EncryptedDataKey {
  return { providerId, providerInfo: Buffer.concat([name, lengths, iv]), ciphertext: sealed };
}

/** The nonce of an entry that the key of this name wrapped, or undefined where it is not of this name and layout. */
export function ivOf(entry: EncryptedDataKey, name: Buffer): Buffer | undefined {
  const info = entry.providerInfo;
  const ivAt = name.length + lengths.length;
  const mine =
    entry.providerId.equals(providerId) &&
    info.length === ivAt + ivLength &&
    info.subarray(0, name.length).equals(name) &&
    info.subarray(name.length, ivAt).equals(lengths);
  return mine ? info.subarray(ivAt) : undefined;
}
