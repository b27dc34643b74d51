/**
 * Encrypting and decrypting under a transit key: `vault:vN:` before the base64 of nonce ‖ ciphertext ‖ tag, or of an RSA
 * ciphertext (OAEP, SHA-256). The order of the checks is the server's, since it decides which error a client sees.
 *
 * Source: OpenBao `sdk/helper/keysutil/policy.go` (`EncryptWithFactory`, `DecryptWithFactory`, `DeriveKey`).
 */
import {
  type CipherGCM,
  constants,
  createCipheriv,
  createDecipheriv,
  type DecipherGCM,
  hkdfSync,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import { decodeBase64 } from './base64.ts';
import {
  isSymmetricType,
  type Material,
  type SymmetricType,
  symmetricTypes,
  type TransitKey,
  uses,
} from './transit-key.ts';

/** Why one item failed: its sender is to blame, or, in the server's eyes, the server is. */
export class ItemError extends Error {
  readonly blame: 'user' | 'internal';

  constructor(text: string, blame: 'user' | 'internal' = 'user') {
    super(text);
    this.blame = blame;
  }
}

/** What goes with an item beside its text. */
export interface ItemContext {
  /** For derived keys; other keys ignore it. */
  readonly context: Buffer;
  /** Base64, empty for none. */
  readonly associatedData: string;
}

const nonceBytes = 12;
const tagBytes = 16;
const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' } as const;
const missingContext =
  "missing 'context' for key derivation; the key was created using a derived key, which means additional, per-request information must be included in order to perform operations with the key";

/** Encrypts base64 text; version 0 is the newest. Throws an ItemError. */
export async function encryptItem(
  key: TransitKey,
  plaintext: string,
  { version, ...item }: ItemContext & { version: number },
): Promise<string> {
  if (!uses(key.type).encryption) {
    throw new ItemError(`message encryption not supported for key type ${key.type}`);
  }
  const decoded = decodeBase64(plaintext);
  if ('error' in decoded) throw new ItemError(decoded.error);
  const effective = encryptionVersion(key, version);
  const material = materialOf(key, effective);
  const bytes =
    material.kind === 'symmetric'
      ? seal(key, { secret: secretFor(key, material.secret, item.context), plaintext: decoded.bytes, item })
      : await encryptRsa(material, decoded.bytes);
  return `vault:v${effective}:${bytes.toString('base64')}`;
}

/** Decrypts to base64 text. Throws an ItemError. */
export async function decryptItem(key: TransitKey, ciphertext: string, item: ItemContext): Promise<string> {
  if (!uses(key.type).encryption) {
    throw new ItemError(`message decryption not supported for key type ${key.type}`);
  }
  const { version, text } = parseCiphertext(key, ciphertext);
  const decoded = decodeBase64(text);
  if ('error' in decoded) throw new ItemError('invalid ciphertext: could not decode base64');
  const material = materialOf(key, version);
  const bytes =
    material.kind === 'symmetric'
      ? open(key, { secret: secretFor(key, material.secret, item.context), sealed: decoded.bytes, item })
      : await decryptRsa(material, decoded.bytes);
  return bytes.toString('base64');
}

function encryptionVersion(key: TransitKey, asked: number): number {
  if (asked === 0) return key.versions.length;
  if (asked < 0) throw new ItemError('requested version for encryption is negative');
  if (asked > key.versions.length) {
    throw new ItemError('requested version for encryption is higher than the latest key version');
  }
  if (asked < key.minEncryptionVersion) {
    throw new ItemError('requested version for encryption is less than the minimum encryption key version');
  }
  return asked;
}

function parseCiphertext(key: TransitKey, ciphertext: string): { version: number; text: string } {
  const prefix = 'vault:v';
  if (!ciphertext.startsWith(prefix)) throw new ItemError('invalid ciphertext: no prefix');
  const rest = ciphertext.slice(prefix.length);
  const colon = rest.indexOf(':');
  if (colon < 0) throw new ItemError('invalid ciphertext: wrong number of fields');
  const digits = rest.slice(0, colon);
  if (!/^[+-]?\d{1,18}$/.test(digits)) {
    throw new ItemError('invalid ciphertext: version number could not be decoded');
  }
  // Version 0 is what the oldest servers called the first one.
  const version = Number(digits) === 0 ? 1 : Number(digits);
  if (version > key.versions.length) throw new ItemError('invalid ciphertext: version is too new');
  if (version < key.minDecryptionVersion) {
    throw new ItemError('ciphertext or signature version is disallowed by policy (too old)');
  }
  return { version, text: rest.slice(colon + 1) };
}

/** Versions below the decryption minimum lie in the archive, out of everybody's reach. */
function materialOf(key: TransitKey, version: number): Material {
  const material = key.versions[version - 1];
  if (material === undefined || version < key.minDecryptionVersion) throw new ItemError('no such key version');
  return material;
}

/** The key itself, or what HKDF-SHA256 makes of it and the context. */
function secretFor(key: TransitKey, secret: Buffer, context: Buffer): Buffer {
  if (!key.derived || !isSymmetricType(key.type)) return secret;
  if (context.length === 0) throw new ItemError(missingContext);
  return Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), context, symmetricTypes[key.type]));
}

const ciphers = {
  'aes128-gcm96': { algorithm: 'aes-128-gcm', refusal: 'cipher: message authentication failed' },
  'aes256-gcm96': { algorithm: 'aes-256-gcm', refusal: 'cipher: message authentication failed' },
  'chacha20-poly1305': { algorithm: 'chacha20-poly1305', refusal: 'chacha20poly1305: message authentication failed' },
} as const satisfies Record<SymmetricType, { algorithm: string; refusal: string }>;

function cipherOf(key: TransitKey): (typeof ciphers)[SymmetricType] {
  if (!isSymmetricType(key.type)) throw new Error(`${key.type} is not symmetric`);
  return ciphers[key.type];
}

function seal(
  key: TransitKey,
  { secret, plaintext, item }: { secret: Buffer; plaintext: Buffer; item: ItemContext },
): Buffer {
  const aad = associatedBytes(item);
  const nonce = randomBytes(nonceBytes);
  // Node types ChaCha20-Poly1305 and AES-GCM apart; both are used alike.
  const cipher = createCipheriv(cipherOf(key).algorithm, secret, nonce, {
    authTagLength: tagBytes,
  } as never) as CipherGCM;
  if (aad.length > 0) cipher.setAAD(aad, { plaintextLength: plaintext.length });
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

function open(
  key: TransitKey,
  { secret, sealed, item }: { secret: Buffer; sealed: Buffer; item: ItemContext },
): Buffer {
  const aad = associatedBytes(item);
  if (sealed.length < nonceBytes) throw new ItemError('invalid ciphertext length');
  const { algorithm, refusal } = cipherOf(key);
  if (sealed.length < nonceBytes + tagBytes) throw new ItemError(refusal);
  const nonce = sealed.subarray(0, nonceBytes);
  const body = sealed.subarray(nonceBytes, -tagBytes);
  const decipher = createDecipheriv(algorithm, secret, nonce, { authTagLength: tagBytes } as never) as DecipherGCM;
  if (aad.length > 0) decipher.setAAD(aad, { plaintextLength: body.length });
  decipher.setAuthTag(sealed.subarray(-tagBytes));
  try {
    return Buffer.concat([decipher.update(body), decipher.final()]);
  } catch {
    throw new ItemError(refusal);
  }
}

/** Unreadable associated data counts as the server's own trouble. */
function associatedBytes({ associatedData }: ItemContext): Buffer {
  const decoded = decodeBase64(associatedData);
  if ('bytes' in decoded) return decoded.bytes;
  throw new ItemError(`unable to get associated_data/additional_data from factory[0]: ${decoded.error}`, 'internal');
}

async function encryptRsa(material: Extract<Material, { kind: 'pair' }>, plaintext: Buffer): Promise<Buffer> {
  const { publicKey } = await material.pair();
  const longest = (publicKey.asymmetricKeyDetails?.modulusLength ?? 0) / 8 - 66;
  if (plaintext.length > longest) {
    const text = 'failed to RSA encrypt the plaintext: crypto/rsa: message too long for RSA key size';
    throw new ItemError(text, 'internal');
  }
  return publicEncrypt({ key: publicKey, ...oaep }, plaintext);
}

/** A ciphertext that an RSA key does not open counts as the server's own trouble. */
async function decryptRsa(material: Extract<Material, { kind: 'pair' }>, ciphertext: Buffer): Promise<Buffer> {
  const { privateKey } = await material.pair();
  try {
    return privateDecrypt({ key: privateKey, ...oaep }, ciphertext);
  } catch {
    throw new ItemError('failed to RSA decrypt the ciphertext: crypto/rsa: decryption error', 'internal');
  }
}
