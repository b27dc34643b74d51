/** A key as a test holds it: what its owner could do to it, with effect from the next request on. */
import { randomUUID } from 'node:crypto';
import type { CustomKeyStore } from './custom-key-store.ts';
import type { KeyPairSource, PairSpec } from './key-pairs.ts';
import type { KeyRecord, KeySpec, KeyState, KeyStore, KeyUsage } from './keys.ts';
import { type PolicySource, parsePolicy } from './policy-document.ts';

export interface KeyOptions {
  /** Default us-east-1. */
  readonly region?: string;
  /** Any spelling without a colon, the nine digits of examples included. */
  readonly accountId?: string;
  readonly spec?: KeySpec;
  /** What the spec is mostly for, unless given. */
  readonly usage?: KeyUsage;
  /** A UUID unless given; `mrk-…` makes a multi-Region key, related to those of the same account and id. */
  readonly keyId?: string;
  /** The policy that AWS gives a new key unless given: the account's root, so its administrators decide. */
  readonly policy?: PolicySource;
  /** Where its material is, if not in AWS KMS itself: for symmetric keys of one region. */
  readonly store?: CustomKeyStore;
}

export interface SimulatedKey {
  readonly arn: string;
  readonly keyId: string;
  readonly region: string;
  /** The custom key store that holds its material. */
  readonly store?: CustomKeyStore;
  disable(): void;
  enable(): void;
  /**
   * Pending deletion, for 30 days of the simulator's clock unless told otherwise (7 to 30); then the key is gone. A
   * multi-Region primary key first waits until its replicas are gone.
   */
  scheduleDeletion(days?: number): void;
  /** Takes the deletion back; the key is disabled afterwards, as at AWS. */
  cancelDeletion(): void;
  /** Any state at all, without the way that leads to it. */
  setState(state: KeyState): void;
  setPolicy(policy: PolicySource): void;
  /** Gives an alias (`alias/name`) in the key's account and region, taking it from whichever key has it. */
  setAlias(name: string): void;
  removeAlias(name: string): void;
  /** Gives it these tags and no others; each has 1 to 128 characters and at most 256 of value. */
  setTags(tags: Readonly<Record<string, string>>): void;
  /** New material for a symmetric key; what the older generations encrypted still opens. */
  rotate(): void;
  /** How often AWS rotates a symmetric key by itself, in days (90 to 2560); undefined: never. */
  setRotation(days: number | undefined): void;
  /** Makes a replica of a multi-Region key, with a policy of its own. */
  replicate(region: string, policy?: PolicySource): SimulatedKey;
  /** Gone at once and for good, as if the waiting period had ended. */
  remove(): void;
}

const defaultUsage: Record<KeySpec, KeyUsage> = {
  SYMMETRIC_DEFAULT: 'ENCRYPT_DECRYPT',
  RSA_2048: 'ENCRYPT_DECRYPT',
  RSA_3072: 'ENCRYPT_DECRYPT',
  RSA_4096: 'ENCRYPT_DECRYPT',
  ECC_NIST_P256: 'SIGN_VERIFY',
  HMAC_256: 'GENERATE_VERIFY_MAC',
};

const possibleUsages: Record<KeySpec, readonly KeyUsage[]> = {
  SYMMETRIC_DEFAULT: ['ENCRYPT_DECRYPT'],
  RSA_2048: ['ENCRYPT_DECRYPT', 'SIGN_VERIFY'],
  RSA_3072: ['ENCRYPT_DECRYPT', 'SIGN_VERIFY'],
  RSA_4096: ['ENCRYPT_DECRYPT', 'SIGN_VERIFY'],
  ECC_NIST_P256: ['SIGN_VERIFY'],
  HMAC_256: ['GENERATE_VERIFY_MAC'],
};

const dayMs = 86_400_000;

interface Surroundings {
  readonly keys: KeyStore;
  readonly pairs: KeyPairSource;
  readonly now: () => number;
}

/** Makes a key. Throws for a usage that the spec does not have, an unusable policy, and an id that is taken. */
export function simulateKey(options: KeyOptions & { accountId: string }, surroundings: Surroundings): SimulatedKey {
  const { keys, pairs, now } = surroundings;
  const { accountId, region = 'us-east-1', spec = 'SYMMETRIC_DEFAULT', keyId = randomUUID() } = options;
  const usage = options.usage ?? defaultUsage[spec];
  if (!possibleUsages[spec].includes(usage)) throw new TypeError(`${spec} is not for ${usage}`);
  if (options.store !== undefined && (spec !== 'SYMMETRIC_DEFAULT' || keyId.startsWith('mrk-'))) {
    throw new TypeError('a custom key store holds symmetric keys of one region');
  }
  const policy = options.policy ?? policyOfNewKeys(accountId);
  const record = keys.add({
    arn: `arn:aws:kms:${region}:${accountId}:key/${keyId}`,
    keyId,
    region,
    accountId,
    spec,
    usage,
    createdAt: now(),
    ...(hasPair(spec) ? { pair: pairs.reserve(spec) } : {}),
    state: 'Enabled',
    tags: new Map(),
    ...(options.store === undefined ? {} : { store: options.store }),
    policy: parsePolicy(policy, 'key'),
    policyText: textOf(policy),
  });
  return ownersView(record, surroundings);
}

function ownersView(key: KeyRecord, surroundings: Surroundings): SimulatedKey {
  const { keys, now } = surroundings;
  const setState = (state: KeyState, deletionDate?: number): void => {
    key.state = state;
    if (deletionDate === undefined) delete key.deletionDate;
    else key.deletionDate = deletionDate;
  };
  return {
    arn: key.arn,
    keyId: key.keyId,
    region: key.region,
    ...(key.store === undefined ? {} : { store: key.store }),
    disable: () => setState('Disabled'),
    enable: () => setState('Enabled'),
    scheduleDeletion: (days = 30) => {
      if (days < 7 || days > 30) throw new RangeError('the waiting period is 7 to 30 days');
      if (hasReplicas(key)) {
        setState('PendingReplicaDeletion');
        key.waitingMs = days * dayMs;
      } else setState('PendingDeletion', now() + days * dayMs);
    },
    cancelDeletion: () => setState('Disabled'),
    setState: (state) => setState(state),
    setPolicy: (policy) => {
      key.policy = parsePolicy(policy, 'key');
      key.policyText = textOf(policy);
    },
    setAlias: (name) => keys.addAlias(name, key),
    removeAlias: (name) => keys.removeAlias(name, key),
    setTags: (tags) => {
      const pairs = Object.entries(tags);
      const isPossible = pairs.every(([name, value]) => /^.{1,128}$/u.test(name) && value.length <= 256);
      if (!isPossible || pairs.length > 50)
        throw new RangeError('a key has at most 50 tags, each of 1 to 128 characters');
      key.tags.clear();
      for (const [name, value] of pairs) key.tags.set(name, value);
    },
    rotate: () => keys.rotate(key),
    setRotation: (days) => {
      if (days !== undefined && (days < 90 || days > 2560)) throw new RangeError('a key rotates every 90 to 2560 days');
      if (days === undefined) delete key.family.rotationDays;
      else key.family.rotationDays = days;
    },
    replicate: (region, policy) => {
      const { accountId, keyId, spec, usage } = key;
      if (!keyId.startsWith('mrk-')) throw new TypeError('only multi-Region keys have replicas');
      return simulateKey({ accountId, keyId, spec, usage, region, ...(policy && { policy }) }, surroundings);
    },
    remove: () => keys.remove(key),
  };
}

/** Whether it is a primary key, the first of its family, and not the only one. */
function hasReplicas(key: KeyRecord): boolean {
  const [primary, ...replicas] = key.family.members.values();
  return primary === key && replicas.length > 0;
}

function textOf(policy: PolicySource): string {
  return typeof policy === 'string' ? policy : JSON.stringify(policy);
}

function hasPair(spec: KeySpec): spec is PairSpec {
  return spec.startsWith('RSA_') || spec === 'ECC_NIST_P256';
}

function policyOfNewKeys(accountId: string): object {
  const root = { AWS: `arn:aws:iam::${accountId}:root` };
  const statement = {
    Sid: 'Enable IAM User Permissions',
    Effect: 'Allow',
    Principal: root,
    Action: 'kms:*',
    Resource: '*',
  };
  return { Version: '2012-10-17', Statement: [statement] };
}
