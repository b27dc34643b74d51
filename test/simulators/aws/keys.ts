/**
 * The keys of all accounts and regions, and how a request's `KeyId` finds one.
 *
 * Related multi-Region keys share id and material and nothing else: state, policy and aliases are each region's own
 * (KMS developer guide, "Multi-Region keys in AWS KMS").
 */
import { createHash, createSecretKey, randomBytes } from 'node:crypto';
import type { KeyPair } from '../../support/kept-pairs.ts';
import { type Material, tagOf } from './ciphertext-blob.ts';
import type { CustomKeyStore } from './custom-key-store.ts';
import { kmsError } from './errors.ts';
import type { PairSpec } from './key-pairs.ts';
import type { PolicyDocument } from './policy-document.ts';

export type KeySpec = 'SYMMETRIC_DEFAULT' | PairSpec | 'HMAC_256';
export type KeyUsage = 'ENCRYPT_DECRYPT' | 'SIGN_VERIFY' | 'GENERATE_VERIFY_MAC';
/** As `DescribeKey` has it in `KeyState`. */
export type KeyState =
  | 'Creating'
  | 'Enabled'
  | 'Disabled'
  | 'PendingDeletion'
  | 'PendingImport'
  | 'PendingReplicaDeletion'
  | 'Unavailable'
  | 'Updating';

/** A key, or several that are related over regions: what they share. */
export interface Family {
  /** All generations of a symmetric key's material, oldest first; the last one encrypts. */
  readonly materials: Material[];
  /** Region to key: one, or several for related multi-Region keys. */
  readonly members: Map<string, KeyRecord>;
  /** How often its material is replaced by itself, in days; absent: never. */
  rotationDays?: number;
}

export interface KeyRecord {
  readonly arn: string;
  readonly keyId: string;
  readonly region: string;
  readonly accountId: string;
  readonly spec: KeySpec;
  readonly usage: KeyUsage;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** Makes or finds the key pair; absent for symmetric and HMAC keys. */
  readonly pair?: () => Promise<KeyPair>;
  readonly family: Family;
  /** Where its material is, if not in AWS KMS itself. */
  readonly store?: CustomKeyStore;
  /** Key → value; each member of a family has its own. */
  readonly tags: Map<string, string>;
  state: KeyState;
  policy: PolicyDocument;
  /** The same as its author wrote it. */
  policyText: string;
  /** While the state is PendingDeletion: when the key goes, in milliseconds since 1970. */
  deletionDate?: number;
  /** While the state is PendingReplicaDeletion: how long the waiting period is that follows, in milliseconds. */
  waitingMs?: number;
}

/** A key as a request named it. */
export interface ResolvedKey {
  readonly key: KeyRecord;
  /** Present when the request used an alias. */
  readonly alias?: string;
}

const arnForm = /^arn:aws:kms:([^:]*):([^:]*):(key|alias)\/(.+)$/;

export class KeyStore {
  readonly #keys = new Map<string, KeyRecord>();
  readonly #aliases = new Map<string, KeyRecord>();
  readonly #families = new Map<string, Family>();
  readonly #familyOfTag = new Map<string, Family>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** Adds a key; throws when its region and account already have one of that id. */
  add(key: Omit<KeyRecord, 'family'>): KeyRecord {
    if (this.#find(key.arn) !== undefined) throw new Error(`${key.arn} exists already`);
    const name = key.keyId.startsWith('mrk-') ? `${key.accountId}/${key.keyId}` : key.arn;
    const family = this.#families.get(name) ?? { materials: [], members: new Map() };
    const [related] = family.members.values();
    if (related !== undefined && related.spec !== key.spec) throw new TypeError('related keys have one spec');
    const record: KeyRecord = { ...key, ...(related?.pair && { pair: related.pair }), family };
    this.#families.set(name, family);
    family.members.set(key.region, record);
    if (key.spec === 'SYMMETRIC_DEFAULT' && family.materials.length === 0) this.rotate(record);
    this.#keys.set(key.arn, record);
    return record;
  }

  /** Gives a symmetric key a new generation of material; the older ones go on decrypting. */
  rotate(key: KeyRecord): void {
    if (key.spec !== 'SYMMETRIC_DEFAULT') throw new TypeError('only symmetric keys rotate');
    const bytes = randomBytes(32);
    const id = createHash('sha256').update('material id').update(bytes).digest('hex');
    const material: Material = { id, tag: randomBytes(32), key: createSecretKey(bytes) };
    bytes.fill(0);
    key.family.materials.push(material);
    this.#familyOfTag.set(material.tag.toString('hex'), key.family);
  }

  /** Takes a key away at once, as if its waiting period had ended. */
  remove(key: KeyRecord): void {
    this.#keys.delete(key.arn);
    const { family } = key;
    family.members.delete(key.region);
    for (const [alias, target] of this.#aliases) if (target === key) this.#aliases.delete(alias);
    if (family.members.size === 0) this.#forget(family);
    const [last] = family.members.values();
    if (family.members.size === 1 && last?.state === 'PendingReplicaDeletion') this.#beginWaiting(last);
  }

  /** A primary key waits for its deletion only once it has no replicas any more. */
  #beginWaiting(primary: KeyRecord): void {
    primary.state = 'PendingDeletion';
    primary.deletionDate = this.#now() + (primary.waitingMs ?? 0);
  }

  /** A removed key's id may be made anew; its material is gone all the same. */
  #forget(family: Family): void {
    for (const [name, known] of this.#families) if (known === family) this.#families.delete(name);
  }

  /** Names of the aliases (`alias/name`) that point to the key, in their order. */
  aliasesOf(key: KeyRecord): string[] {
    const names = [...this.#aliases].flatMap(([arn, target]) =>
      target === key ? [arn.slice(arn.indexOf('alias/'))] : [],
    );
    return names.sort();
  }

  /** Takes an alias away; throws where the key has none of that name. */
  removeAlias(name: string, key: KeyRecord): void {
    const arn = `arn:aws:kms:${key.region}:${key.accountId}:${name}`;
    if (this.#aliases.get(arn) !== key) throw new Error(`${key.arn} has no ${name}`);
    this.#aliases.delete(arn);
  }

  /** Points an alias (`alias/name`) of the key's own account and region at it. */
  addAlias(name: string, key: KeyRecord): void {
    if (!/^alias\/[a-zA-Z0-9/_-]+$/.test(name)) throw new TypeError('an alias has the form alias/name');
    this.#aliases.set(`arn:aws:kms:${key.region}:${key.accountId}:${name}`, key);
  }

  /** The key behind `KeyId` (ARN, id, alias ARN or alias name) for a caller of this region and account. */
  resolve(keyId: string, caller: { region: string; accountId: string }): ResolvedKey {
    const full = keyId.startsWith('arn:') ? keyId : this.#complete(keyId, caller);
    const match = arnForm.exec(full);
    if (match === null) throw kmsError('NotFoundException', `Invalid keyId '${keyId}'`);
    const [, region = '', , kind, name = ''] = match;
    // Each region is a service of its own: it does not know the keys of another, however well they exist there.
    if (region !== caller.region) throw kmsError('NotFoundException', `Invalid arn ${region}`);
    if (kind === 'key') {
      const key = this.#find(full);
      if (key === undefined) throw kmsError('NotFoundException', `Key '${full}' does not exist`);
      return { key };
    }
    const target = this.#aliases.get(full);
    const key = target === undefined ? undefined : this.#find(target.arn);
    if (key === undefined) throw kmsError('NotFoundException', `Alias ${full} is not found.`);
    return { key, alias: `alias/${name}` };
  }

  #complete(keyId: string, caller: { region: string; accountId: string }): string {
    const name = keyId.startsWith('alias/') ? keyId : `key/${keyId}`;
    return `arn:aws:kms:${caller.region}:${caller.accountId}:${name}`;
  }

  /** The family that made a blob; undefined for bytes that none of the keys ever made. */
  familyOf(blob: Buffer): Family | undefined {
    const tag = tagOf(blob);
    return tag === undefined ? undefined : this.#familyOfTag.get(tag);
  }

  /** The member of a family in a region, unless it has been deleted meanwhile. */
  memberIn(family: Family, region: string): KeyRecord | undefined {
    const member = family.members.get(region);
    return member === undefined ? undefined : this.#find(member.arn);
  }

  #find(arn: string): KeyRecord | undefined {
    const key = this.#keys.get(arn);
    if (key?.deletionDate !== undefined && key.deletionDate <= this.#now()) {
      this.remove(key);
      return undefined;
    }
    return key;
  }
}
