/**
 * The blob that symmetric keys make: opaque to clients and of the size that AWS makes (184 bytes for a 32-byte data key).
 *
 *     01 02 02 00 78 ‖ material tag[32] ‖ filler[87] ‖ iv[12] ‖ ciphertext ‖ AES-GCM tag[16]
 *
 * Everything before the iv, and the encryption context in sorted order, is associated data: no byte can change.
 */
import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto';

const prefix = Buffer.from('0102020078', 'hex');
const tagBytes = 32;
const headerBytes = prefix.length + tagBytes + 87;
const ivBytes = 12;
const authBytes = 16;

/** The pairs of an encryption context; their order never matters. */
export type ContextPairs = ReadonlyMap<string, string>;

/** One generation of a symmetric key's material. */
export interface Material {
  /** 64 hex digits, as `KeyMaterialId` has them. */
  readonly id: string;
  /** 32 random bytes that find the material again from a blob. */
  readonly tag: Buffer;
  readonly key: KeyObject;
}

/** Encrypts `plaintext` under one generation of a key. */
export function seal(material: Material, plaintext: Uint8Array, context: ContextPairs): Buffer {
  const header = Buffer.concat([prefix, material.tag, randomBytes(headerBytes - prefix.length - tagBytes)]);
  const iv = randomBytes(ivBytes);
  const cipher = createCipheriv('aes-256-gcm', material.key, iv, { authTagLength: authBytes });
  cipher.setAAD(associatedData(header, context));
  return Buffer.concat([header, iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** The tag of the material that made `blob`, in hex, or undefined where the bytes are no blob at all. */
export function tagOf(blob: Buffer): string | undefined {
  if (blob.length <= headerBytes + ivBytes + authBytes || !blob.subarray(0, prefix.length).equals(prefix)) {
    return undefined;
  }
  return blob.toString('hex', prefix.length, prefix.length + tagBytes);
}

/** Decrypts a blob of this material; undefined when a byte or the context is not the one that was sealed. */
export function open(material: Material, blob: Buffer, context: ContextPairs): Buffer | undefined {
  const header = blob.subarray(0, headerBytes);
  const iv = blob.subarray(headerBytes, headerBytes + ivBytes);
  const decipher = createDecipheriv('aes-256-gcm', material.key, iv, { authTagLength: authBytes });
  decipher.setAAD(associatedData(header, context));
  decipher.setAuthTag(blob.subarray(blob.length - authBytes));
  const plaintext = decipher.update(blob.subarray(headerBytes + ivBytes, blob.length - authBytes));
  try {
    decipher.final();
    return plaintext;
  } catch {
    return undefined;
  }
}

function associatedData(header: Buffer, context: ContextPairs): Buffer {
  const pairs = [...context].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return Buffer.concat([header, Buffer.from(JSON.stringify(pairs), 'utf8')]);
}
