/** A key as a test holds it: what its owner could do to it, with effect from the next request on. */
import { randomUUID } from 'node:crypto';
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
}

export interface SimulatedKey {
  readonly arn: string;
  readonly keyId: string;
  readonly region: string;
  disable(): void;
  enable(): void;
  /** Pending deletion, for 30 days of the simulator's clock unless told otherwise (7 to 30); then the key is gone. */
  scheduleDeletion(days?: number): void;
  /** Takes the deletion back; the key is disabled afterwards, as at AWS. */
  cancelDeletion(): void;
  /** Any state at all, without the way that leads to it. */
  setState(state: KeyState): void;
  setPolicy(policy: PolicySource): void;
  /** Gives an alias (`alias/name`) in the key's account and region, taking it from whichever key has it. */
  setAlias(name: string): void;
  /** New material for a symmetric key; what the older generations encrypted still opens. */
  rotate(): void;
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

/** Makes a key. Throws for a usage that the spec does not have, an unusable policy, and an id that is taken. */
export function simulateKey(
  options: KeyOptions & { accountId: string },
  { keys, pairs, now }: { keys: KeyStore; pairs: KeyPairSource; now: () => number },
): SimulatedKey {
  const { accountId, region = 'us-east-1', spec = 'SYMMETRIC_DEFAULT', keyId = randomUUID() } = options;
  const usage = options.usage ?? defaultUsage[spec];
  if (!possibleUsages[spec].includes(usage)) throw new TypeError(`${spec} is not for ${usage}`);
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
    policy: parsePolicy(options.policy ?? policyOfNewKeys(accountId), 'key'),
  });
  return ownersView(record, { keys, now });
}

function ownersView(key: KeyRecord, { keys, now }: { keys: KeyStore; now: () => number }): SimulatedKey {
  const setState = (state: KeyState, deletionDate?: number): void => {
    key.state = state;
    if (deletionDate === undefined) delete key.deletionDate;
    else key.deletionDate = deletionDate;
  };
  return {
    arn: key.arn,
    keyId: key.keyId,
    region: key.region,
    disable: () => setState('Disabled'),
    enable: () => setState('Enabled'),
    scheduleDeletion: (days = 30) => {
      if (days < 7 || days > 30) throw new RangeError('the waiting period is 7 to 30 days');
      setState('PendingDeletion', now() + days * dayMs);
    },
    cancelDeletion: () => setState('Disabled'),
    setState: (state) => setState(state),
    setPolicy: (policy) => {
      key.policy = parsePolicy(policy, 'key');
    },
    setAlias: (name) => keys.addAlias(name, key),
    rotate: () => keys.rotate(key),
    remove: () => keys.remove(key),
  };
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
