/** Encrypting and decrypting under one key, symmetric or RSA, with the bounds that KMS documents. */
import { constants, type KeyObject, privateDecrypt, publicEncrypt } from 'node:crypto';
import type { KeyPair } from '../../support/kept-pairs.ts';
import { type ContextPairs, type Material, open, seal, tagOf } from './ciphertext-blob.ts';
import { kmsError } from './errors.ts';
import type { KeyRecord } from './keys.ts';
import type { EncryptionAlgorithm } from './kms-access.ts';
import { constraint } from './request-fields.ts';

/** The OAEP algorithms: digest, and the bytes of the modulus that the padding takes (RFC 8017, section 7.1.1). */
const oaep = {
  RSAES_OAEP_SHA_1: { digest: 'sha1', overhead: 42 },
  RSAES_OAEP_SHA_256: { digest: 'sha256', overhead: 66 },
} as const;

export interface EncryptionParameters {
  readonly algorithm: EncryptionAlgorithm;
  readonly context: ContextPairs;
}

/** The algorithms that a key's spec goes with; none for keys that do not encrypt. */
export function algorithmsOf(key: KeyRecord): readonly EncryptionAlgorithm[] {
  if (key.usage !== 'ENCRYPT_DECRYPT') return [];
  return key.spec === 'SYMMETRIC_DEFAULT' ? ['SYMMETRIC_DEFAULT'] : ['RSAES_OAEP_SHA_1', 'RSAES_OAEP_SHA_256'];
}

/** Throws unless the algorithm, by default the symmetric one, goes with the key, and the context with the algorithm. */
export function checkAlgorithm(key: KeyRecord, { algorithm, context }: EncryptionParameters): void {
  if (!algorithmsOf(key).includes(algorithm)) {
    throw kmsError('InvalidKeyUsageException', `Algorithm ${algorithm} is incompatible with key spec ${key.spec}.`);
  }
  if (algorithm !== 'SYMMETRIC_DEFAULT' && context.size > 0) {
    throw kmsError('ValidationException', 'EncryptionContext is not supported with asymmetric keys.');
  }
}

/** Encrypts under the key's current material. The algorithm has been checked. */
export async function encryptUnder(
  key: KeyRecord,
  plaintext: Buffer,
  { algorithm, context }: EncryptionParameters,
): Promise<Buffer> {
  if (algorithm === 'SYMMETRIC_DEFAULT') return seal(currentMaterial(key), plaintext, context);
  const { publicKey } = await pairOf(key);
  const longest = modulusBytes(publicKey) - oaep[algorithm].overhead;
  if (plaintext.length > longest) throw constraint('Plaintext', `have length less than or equal to ${longest}`);
  const padding = constants.RSA_PKCS1_OAEP_PADDING;
  return publicEncrypt({ key: publicKey, padding, oaepHash: oaep[algorithm].digest }, plaintext);
}

/** What a decryption gives: the plaintext, and the id of the material that opened a symmetric blob. */
export interface Decrypted {
  readonly plaintext: Buffer;
  readonly materialId?: string;
}

/** Decrypts a blob of this key; throws an InvalidCiphertextException for changed bytes and for a wrong context. */
export async function decryptUnder(
  key: KeyRecord,
  blob: Buffer,
  { algorithm, context }: EncryptionParameters,
): Promise<Decrypted> {
  if (algorithm !== 'SYMMETRIC_DEFAULT') return { plaintext: await decryptRsa(key, blob, algorithm) };
  const tag = tagOf(blob);
  const material = key.family.materials.find((known) => known.tag.toString('hex') === tag);
  const plaintext = material === undefined ? undefined : open(material, blob, context);
  if (material === undefined || plaintext === undefined) throw kmsError('InvalidCiphertextException');
  return { plaintext, materialId: material.id };
}

async function decryptRsa(key: KeyRecord, blob: Buffer, algorithm: keyof typeof oaep): Promise<Buffer> {
  const { privateKey } = await pairOf(key);
  try {
    const padding = constants.RSA_PKCS1_OAEP_PADDING;
    return privateDecrypt({ key: privateKey, padding, oaepHash: oaep[algorithm].digest }, blob);
  } catch {
    throw kmsError('InvalidCiphertextException');
  }
}

/** The generation of a symmetric key that encrypts now. */
export function currentMaterial(key: KeyRecord): Material {
  const material = key.family.materials.at(-1);
  if (material === undefined) throw new Error(`${key.arn} has no symmetric material`);
  return material;
}

function pairOf(key: KeyRecord): Promise<KeyPair> {
  if (key.pair === undefined) throw new Error(`${key.arn} has no key pair`);
  return key.pair();
}

function modulusBytes(key: KeyObject): number {
  return (key.asymmetricKeyDetails?.modulusLength ?? 0) / 8;
}
