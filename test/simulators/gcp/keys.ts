/**
 * Keys and their versions, as Cloud KMS keeps them: state is the version's, and only symmetric keys have a primary.
 *
 * Source: google/cloud/kms/v1/resources.proto (states and what each allows, 30 days until destruction by default);
 * "Key purposes and algorithms" (https://cloud.google.com/kms/docs/algorithms).
 */
import { createSecretKey, randomBytes } from 'node:crypto';
import type { KeyPair } from '../../support/kept-pairs.ts';
import type { PairSpec } from '../aws/key-pairs.ts';
import { newTag, type SymmetricMaterial, tagOf } from './ciphertext.ts';
import type { EkmErrorDomain } from './ekm.ts';
import { keyNameOf } from './resource-names.ts';
import { ServiceError } from './status.ts';

/** What a key is for; it never changes. */
export type Purpose = 'ENCRYPT_DECRYPT' | 'ASYMMETRIC_DECRYPT' | 'ASYMMETRIC_SIGN' | 'RAW_ENCRYPT_DECRYPT' | 'MAC';
/** Where the cryptography happens. */
export type ProtectionLevel = 'SOFTWARE' | 'HSM' | 'EXTERNAL' | 'EXTERNAL_VPC';
/** As in `CryptoKeyVersion.state`; only ENABLED versions may be used. */
export type VersionState =
  | 'PENDING_GENERATION'
  | 'ENABLED'
  | 'DISABLED'
  | 'DESTROYED'
  | 'DESTROY_SCHEDULED'
  | 'PENDING_IMPORT'
  | 'IMPORT_FAILED'
  | 'GENERATION_FAILED'
  | 'PENDING_EXTERNAL_DESTRUCTION'
  | 'EXTERNAL_DESTRUCTION_FAILED';

interface AlgorithmFacts {
  readonly purpose: Purpose;
  /** The pair behind an asymmetric key. */
  readonly pair?: PairSpec;
  /** The digest of OAEP, which is also that of its mask function. */
  readonly oaepHash?: 'sha1' | 'sha256' | 'sha512';
}

/** The algorithms that keys of the simulator may have. */
export const algorithms = {
  GOOGLE_SYMMETRIC_ENCRYPTION: { purpose: 'ENCRYPT_DECRYPT' },
  EXTERNAL_SYMMETRIC_ENCRYPTION: { purpose: 'ENCRYPT_DECRYPT' },
  RSA_DECRYPT_OAEP_2048_SHA256: { purpose: 'ASYMMETRIC_DECRYPT', pair: 'RSA_2048', oaepHash: 'sha256' },
  RSA_DECRYPT_OAEP_3072_SHA256: { purpose: 'ASYMMETRIC_DECRYPT', pair: 'RSA_3072', oaepHash: 'sha256' },
  RSA_DECRYPT_OAEP_4096_SHA256: { purpose: 'ASYMMETRIC_DECRYPT', pair: 'RSA_4096', oaepHash: 'sha256' },
  RSA_DECRYPT_OAEP_4096_SHA512: { purpose: 'ASYMMETRIC_DECRYPT', pair: 'RSA_4096', oaepHash: 'sha512' },
  RSA_DECRYPT_OAEP_2048_SHA1: { purpose: 'ASYMMETRIC_DECRYPT', pair: 'RSA_2048', oaepHash: 'sha1' },
  RSA_DECRYPT_OAEP_3072_SHA1: { purpose: 'ASYMMETRIC_DECRYPT', pair: 'RSA_3072', oaepHash: 'sha1' },
  RSA_DECRYPT_OAEP_4096_SHA1: { purpose: 'ASYMMETRIC_DECRYPT', pair: 'RSA_4096', oaepHash: 'sha1' },
  RSA_SIGN_PKCS1_2048_SHA256: { purpose: 'ASYMMETRIC_SIGN', pair: 'RSA_2048' },
  EC_SIGN_P256_SHA256: { purpose: 'ASYMMETRIC_SIGN', pair: 'ECC_NIST_P256' },
  AES_256_GCM: { purpose: 'RAW_ENCRYPT_DECRYPT' },
  HMAC_SHA256: { purpose: 'MAC' },
} as const satisfies Record<string, AlgorithmFacts>;

/** An algorithm's name. */
export type Algorithm = keyof typeof algorithms;

/** What is known of an algorithm. */
export function factsOf(algorithm: Algorithm): AlgorithmFacts {
  return algorithms[algorithm];
}

/** A version as the service keeps it. */
export interface VersionRecord {
  readonly name: string;
  readonly number: number;
  readonly algorithm: Algorithm;
  readonly protectionLevel: ProtectionLevel;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  state: VersionState;
  /** While DESTROY_SCHEDULED: when it is destroyed; afterwards when it was. Milliseconds since 1970. */
  destroyAt?: number;
  /** Present for ENCRYPT_DECRYPT until it is destroyed. */
  symmetric?: SymmetricMaterial;
  /** Makes or finds the pair; present for asymmetric purposes until it is destroyed. */
  pair?: () => Promise<KeyPair>;
}

/** A key as the service keeps it. */
export interface KeyRecord {
  readonly name: string;
  readonly purpose: Purpose;
  readonly algorithm: Algorithm;
  readonly protectionLevel: ProtectionLevel;
  labels: Readonly<Record<string, string>>;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** In the order of their numbers, which begin at 1. */
  readonly versions: VersionRecord[];
  /** Only where the purpose is ENCRYPT_DECRYPT, and not always there. */
  primary: VersionRecord | undefined;
  /** What the external key manager behind the key suffers from. */
  ekm: EkmErrorDomain | undefined;
}

/** The keys of all projects, and which version made which ciphertext. */
export class KeyStore {
  readonly #keys = new Map<string, KeyRecord>();
  readonly #versionOfTag = new Map<string, VersionRecord>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Adds a key without versions; throws where the name is taken. */
  add(key: Omit<KeyRecord, 'versions' | 'primary' | 'ekm' | 'createdAt' | 'labels'>): KeyRecord {
    if (this.#keys.has(key.name)) throw new Error(`${key.name} exists already`);
    const empty = { labels: {}, versions: [], primary: undefined, ekm: undefined };
    const record: KeyRecord = { ...key, ...empty, createdAt: this.#now() };
    this.#keys.set(key.name, record);
    return record;
  }

  /** Adds an enabled version with material of its own; it is not the primary yet. */
  addVersion(key: KeyRecord, pair: (() => Promise<KeyPair>) | undefined): VersionRecord {
    const number = key.versions.length + 1;
    const version: VersionRecord = {
      name: `${key.name}/cryptoKeyVersions/${number}`,
      number,
      algorithm: key.algorithm,
      protectionLevel: key.protectionLevel,
      createdAt: this.#now(),
      state: 'ENABLED',
      ...(pair === undefined ? {} : { pair }),
    };
    if (key.purpose === 'ENCRYPT_DECRYPT') {
      version.symmetric = { tag: newTag(), key: createSecretKey(randomBytes(32)) };
      this.#versionOfTag.set(version.symmetric.tag.toString('hex'), version);
    }
    key.versions.push(version);
    return version;
  }

  /** Takes a key away, as if it had never been. */
  remove(key: KeyRecord): void {
    this.#keys.delete(key.name);
  }

  has(keyName: string): boolean {
    return this.#keys.has(keyName);
  }

  /** The key of that name; throws NOT_FOUND. */
  key(name: string): KeyRecord {
    const key = this.#keys.get(name);
    if (key === undefined) throw new ServiceError('NOT_FOUND', `CryptoKey ${name} not found.`);
    for (const version of key.versions) this.#age(version);
    return key;
  }

  /** The version of that name; throws NOT_FOUND. */
  version(name: string): { readonly key: KeyRecord; readonly version: VersionRecord } {
    const key = this.key(keyNameOf(name) ?? '');
    const version = key.versions.find((candidate) => candidate.name === name);
    if (version === undefined) throw new ServiceError('NOT_FOUND', `CryptoKeyVersion ${name} not found.`);
    return { key, version };
  }

  /** The version that made a ciphertext; undefined for bytes that none of the keys ever made. */
  versionThatMade(ciphertext: Buffer): VersionRecord | undefined {
    const tag = tagOf(ciphertext);
    return tag === undefined ? undefined : this.#versionOfTag.get(tag);
  }

  /** Destroys a version for good. */
  destroy(version: VersionRecord): void {
    version.state = 'DESTROYED';
    version.destroyAt = Math.min(version.destroyAt ?? Number.POSITIVE_INFINITY, this.#now());
    delete version.symmetric;
    delete version.pair;
  }

  #age(version: VersionRecord): void {
    const due = version.state === 'DESTROY_SCHEDULED' && (version.destroyAt ?? Number.POSITIVE_INFINITY) <= this.#now();
    if (due) this.destroy(version);
  }
}
