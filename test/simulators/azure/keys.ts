/** The keys of one vault or managed HSM, each with all its versions. */
import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import type { KeyPair } from '../../support/kept-pairs.ts';

export type KeyType = 'RSA' | 'RSA-HSM' | 'EC' | 'EC-HSM' | 'oct-HSM';
/** As in `key_ops`. */
export type KeyUse = 'encrypt' | 'decrypt' | 'sign' | 'verify' | 'wrapKey' | 'unwrapKey';

export type Material =
  | { readonly kind: 'pair'; readonly pair: () => Promise<KeyPair> }
  | { readonly kind: 'secret'; readonly key: KeyObject };

export interface KeyVersion {
  /** 32 lower-case hexadecimal digits. */
  readonly version: string;
  readonly material: Material;
  /** Milliseconds since 1970, as all times here. */
  readonly created: number;
  updated: number;
  enabled: boolean;
  /** A new version has none, whatever the version before it had. */
  tags: Readonly<Record<string, string>>;
  notBefore?: number;
  expires?: number;
}

export interface KeyRecord {
  readonly name: string;
  readonly type: KeyType;
  /** Bits of the modulus or the secret; of EC keys 256. */
  readonly size: number;
  readonly uses: readonly KeyUse[];
  /** Oldest first; never empty. */
  readonly versions: KeyVersion[];
  /** When it was deleted; it can be recovered until it is purged. */
  deletedAt?: number;
}

/** How long a deleted key can be recovered, in days: what vaults have unless told otherwise. */
export const recoverableDays = 90;

export class KeyStore {
  readonly #keys = new Map<string, KeyRecord>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Adds a key; throws while another of that name exists, deleted and recoverable ones included. Names ignore case. */
  add(key: KeyRecord): void {
    if (this.#keys.has(key.name.toLowerCase())) throw new Error(`a key ${key.name} exists already`);
    this.#keys.set(key.name.toLowerCase(), key);
  }

  /** The key of that name, unless it has been deleted. */
  find(name: string): KeyRecord | undefined {
    const key = this.#keys.get(name.toLowerCase());
    return key?.deletedAt === undefined ? key : undefined;
  }

  /** The deleted key of that name, while it can be recovered. */
  findDeleted(name: string): KeyRecord | undefined {
    const key = this.#keys.get(name.toLowerCase());
    if (key?.deletedAt === undefined) return undefined;
    if (this.#now() < purgeTimeOf(key)) return key;
    this.#keys.delete(name.toLowerCase());
    return undefined;
  }

  delete(key: KeyRecord): void {
    key.deletedAt = this.#now();
  }

  recover(key: KeyRecord): void {
    delete key.deletedAt;
  }

  /** Takes a key away for good. */
  purge(key: KeyRecord): void {
    this.#keys.delete(key.name.toLowerCase());
  }

  /** All keys by name, deleted ones or the others. */
  list(state: 'deleted' | 'usable'): KeyRecord[] {
    const names = [...this.#keys.values()].map(({ name }) => name).sort();
    const found = names.map((name) => (state === 'deleted' ? this.findDeleted(name) : this.find(name)));
    return found.filter((key) => key !== undefined);
  }
}

/** When a deleted key goes for good, in milliseconds since 1970. */
export function purgeTimeOf(key: KeyRecord): number {
  return (key.deletedAt ?? Number.POSITIVE_INFINITY) + recoverableDays * 86_400_000;
}

/** A new version, enabled and without limits of time. */
export function newVersion(material: Material, now: number): KeyVersion {
  return { version: randomBytes(16).toString('hex'), material, created: now, updated: now, enabled: true, tags: {} };
}

/** A new secret of `bits`. */
export function newSecret(bits: number): Material {
  return { kind: 'secret', key: createSecretKey(randomBytes(bits / 8)) };
}
