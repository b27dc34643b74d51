/**
 * What Encrypt answers: opaque to clients, names the version inside, and is authenticated as a whole.
 *
 * Google does not document the form; like the real one it begins with 0x0A 0x24 and has the version's tag first.
 */
import { createCipheriv, createDecipheriv, type KeyObject, randomBytes } from 'node:crypto';

const tagLength = 36;
const head = Buffer.from([0x0a, tagLength]);
const ivLength = 12;
const macLength = 16;

/** The secret of one version, and the mark that its ciphertexts bear. */
export interface SymmetricMaterial {
  /** 36 bytes, the first of them 0. */
  readonly tag: Buffer;
  /** AES-256. */
  readonly key: KeyObject;
}

/** A new mark for a version. */
export function newTag(): Buffer {
  return Buffer.concat([Buffer.alloc(1), randomBytes(tagLength - 1)]);
}

/** Encrypts under a version's material; `aad` may be empty, which is the same as none. */
export function seal(material: SymmetricMaterial, plaintext: Uint8Array, aad: Uint8Array): Buffer {
  const iv = randomBytes(ivLength);
  const cipher = createCipheriv('aes-256-gcm', material.key, iv).setAAD(bound(material.tag, aad));
  return Buffer.concat([head, material.tag, iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** The mark of the version that made a ciphertext, in hex; undefined for bytes of another form. */
export function tagOf(ciphertext: Buffer): string | undefined {
  if (ciphertext.length < head.length + tagLength + ivLength + macLength) return undefined;
  if (!ciphertext.subarray(0, head.length).equals(head)) return undefined;
  return ciphertext.subarray(head.length, head.length + tagLength).toString('hex');
}

/** Decrypts; undefined for bytes or `aad` that are not those of the encryption. */
export function open(material: SymmetricMaterial, ciphertext: Buffer, aad: Uint8Array): Buffer | undefined {
  const body = ciphertext.subarray(head.length + tagLength);
  const iv = body.subarray(0, ivLength);
  const decipher = createDecipheriv('aes-256-gcm', material.key, iv).setAAD(bound(material.tag, aad));
  decipher.setAuthTag(body.subarray(body.length - macLength));
  try {
    return Buffer.concat([decipher.update(body.subarray(ivLength, body.length - macLength)), decipher.final()]);
  } catch {
    return undefined;
  }
}

/** The tag has a fixed length, so tag and caller's data cannot run into each other. */
function bound(tag: Buffer, aad: Uint8Array): Buffer {
  return Buffer.concat([head, tag, aad]);
}
