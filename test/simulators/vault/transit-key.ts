/**
 * A key of a transit engine: its versions, its limits, and what reading it shows.
 *
 * Source: OpenBao `sdk/helper/keysutil/policy.go`, `builtin/logical/transit/path_keys.go`.
 */
import { type KeyObject, randomBytes } from 'node:crypto';
import type { KeyPair } from '../../support/kept-pairs.ts';
import { isPairType, type KeyPairSource, type PairType } from './key-pairs.ts';

/** The symmetric types, by the length of their keys in bytes. */
export const symmetricTypes = { 'aes128-gcm96': 16, 'aes256-gcm96': 32, 'chacha20-poly1305': 32 } as const;

export type SymmetricType = keyof typeof symmetricTypes;
export type KeyType = SymmetricType | PairType;

/** Whether keys of the type are one secret. */
export function isSymmetricType(type: string): type is SymmetricType {
  return Object.hasOwn(symmetricTypes, type);
}

/** Whether the server can make keys of the type; it knows a few that the simulator does not. */
export function isKeyType(type: string): type is KeyType {
  return isSymmetricType(type) || isPairType(type);
}

/** What a type is good for. */
export function uses(type: KeyType): { encryption: boolean; signing: boolean; derivation: boolean } {
  const symmetric = isSymmetricType(type);
  const rsa = type.startsWith('rsa-');
  return { encryption: symmetric || rsa, signing: !symmetric, derivation: symmetric || type === 'ed25519' };
}

/** One version's material. */
export type Material =
  | { readonly kind: 'symmetric'; readonly secret: Buffer; readonly createdAt: number }
  | { readonly kind: 'pair'; readonly pair: () => Promise<KeyPair>; readonly createdAt: number };

/** A named key. Versions count from 1; `versions[0]` is version 1. */
export interface TransitKey {
  readonly name: string;
  readonly type: KeyType;
  readonly derived: boolean;
  readonly versions: Material[];
  minDecryptionVersion: number;
  /** Zero until somebody sets it; newer than the newest is impossible. */
  minEncryptionVersion: number;
  deletionAllowed: boolean;
  exportable: boolean;
  allowPlaintextBackup: boolean;
  /** Seconds; zero is never. */
  autoRotatePeriod: number;
}

export interface KeyMaking {
  readonly pairs: KeyPairSource;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** A new key with its first version. */
export function newKey(options: { name: string; type: KeyType; derived: boolean }, making: KeyMaking): TransitKey {
  const key: TransitKey = {
    ...options,
    versions: [],
    minDecryptionVersion: 1,
    minEncryptionVersion: 0,
    deletionAllowed: false,
    exportable: false,
    allowPlaintextBackup: false,
    autoRotatePeriod: 0,
  };
  rotateKey(key, making);
  return key;
}

/** Adds a version; the older ones still decrypt. */
export function rotateKey(key: TransitKey, { pairs, now }: KeyMaking): void {
  const createdAt = now();
  if (isSymmetricType(key.type)) {
    key.versions.push({ kind: 'symmetric', secret: randomBytes(symmetricTypes[key.type]), createdAt });
  } else {
    key.versions.push({ kind: 'pair', pair: pairs.reserve(key.type), createdAt });
  }
}

/** What `GET keys/:name` answers with. */
export async function describeKey(key: TransitKey): Promise<Readonly<Record<string, unknown>>> {
  const { encryption, signing, derivation } = uses(key.type);
  return {
    allow_plaintext_backup: key.allowPlaintextBackup,
    auto_rotate_period: key.autoRotatePeriod,
    deletion_allowed: key.deletionAllowed,
    derived: key.derived,
    exportable: key.exportable,
    imported_key: false,
    ...(key.derived && { kdf: 'hkdf_sha256', convergent_encryption: false }),
    keys: await describeVersions(key),
    latest_version: key.versions.length,
    min_available_version: 0,
    min_decryption_version: key.minDecryptionVersion,
    min_encryption_version: key.minEncryptionVersion,
    name: key.name,
    soft_deleted: false,
    supports_decryption: encryption,
    supports_derivation: derivation,
    supports_encryption: encryption,
    supports_signing: signing,
    type: key.type,
  };
}

/** The versions that are still at hand: those below the decryption minimum lie in the archive. */
async function describeVersions(key: TransitKey): Promise<Readonly<Record<string, unknown>>> {
  const shown: Record<string, unknown> = {};
  for (const [index, material] of key.versions.entries()) {
    if (index + 1 < key.minDecryptionVersion) continue;
    shown[String(index + 1)] =
      material.kind === 'symmetric' ? Math.floor(material.createdAt / 1000) : await describePair(key, material);
  }
  return shown;
}

async function describePair(
  key: TransitKey,
  material: Extract<Material, { kind: 'pair' }>,
): Promise<Readonly<Record<string, unknown>>> {
  const { publicKey } = await material.pair();
  return {
    certificate_chain: '',
    creation_time: new Date(material.createdAt).toISOString(),
    name: curveNames[key.type] ?? key.type,
    public_key: key.type === 'ed25519' ? (key.derived ? '' : rawEd25519(publicKey)) : pem(publicKey),
  };
}

const curveNames: Readonly<Record<string, string>> = {
  'ecdsa-p256': 'P-256',
  'ecdsa-p384': 'P-384',
  'ecdsa-p521': 'P-521',
};

function pem(publicKey: KeyObject): string {
  return publicKey.export({ type: 'spki', format: 'pem' }).toString();
}

function rawEd25519(publicKey: KeyObject): string {
  const { x } = publicKey.export({ format: 'jwk' });
  return Buffer.from(x ?? '', 'base64url').toString('base64');
}
