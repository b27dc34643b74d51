/** A key as a test holds it: what its owner could do to it, with effect from the next request on. */
import type { KeyPairSource } from '../aws/key-pairs.ts';
import { current, kidOf } from './key-bundles.ts';
import {
  type KeyRecord,
  type KeyStore,
  type KeyType,
  type KeyUse,
  type KeyVersion,
  newSecret,
  newVersion,
} from './keys.ts';

export interface KeyOptions {
  /** A new one unless given: letters, digits and hyphens. */
  readonly name?: string;
  /** RSA unless given; oct-HSM exists on the managed HSM alone, RSA and EC on the vault alone. */
  readonly kty?: KeyType;
  /** Bits: 2048 (unless given), 3072 or 4096 of RSA; 128, 192 or 256 (unless given) of AES; EC keys are P-256. */
  readonly size?: number;
  /** Everything that the type can do unless given. */
  readonly ops?: readonly KeyUse[];
  /** Whether it is a key of the managed HSM and not of the vault; true for oct-HSM, else false, unless given. */
  readonly hsm?: boolean;
}

export interface SimulatedKey {
  readonly name: string;
  /** Where the key is, without a version: `https://…/keys/NAME`. */
  readonly id: string;
  /** The newest version at the moment. */
  readonly version: string;
  /** The full identifier of a version, the newest unless given. */
  kid(version?: string): string;
  /** Makes a new version, which is the newest from now on, and returns it; older ones stay as they are. */
  rotate(): string;
  /** Of one version, or of all where none is given; as for times. */
  setEnabled(enabled: boolean, version?: string): void;
  /** Milliseconds since 1970; what is left out has no limit from now on. */
  setTimes(times: { nbf?: number; exp?: number }, version?: string): void;
  /** Of one version, or of all where none is given: these tags and no others. */
  setTags(tags: Readonly<Record<string, string>>, version?: string): void;
  /** Deletes the key with all versions; it can be recovered for 90 days of the simulator's clock. */
  delete(): void;
  recover(): void;
  /** Gone for good, as if it had been deleted and the 90 days were over. */
  purge(): void;
}

const everyUse: Record<KeyType, readonly KeyUse[]> = {
  RSA: ['encrypt', 'decrypt', 'sign', 'verify', 'wrapKey', 'unwrapKey'],
  'RSA-HSM': ['encrypt', 'decrypt', 'sign', 'verify', 'wrapKey', 'unwrapKey'],
  EC: ['sign', 'verify'],
  'EC-HSM': ['sign', 'verify'],
  'oct-HSM': ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey'],
};

const sizes: Record<KeyType, readonly number[]> = {
  RSA: [2048, 3072, 4096],
  'RSA-HSM': [2048, 3072, 4096],
  EC: [256],
  'EC-HSM': [256],
  'oct-HSM': [256, 192, 128],
};

interface Place {
  readonly keys: KeyStore;
  readonly pairs: KeyPairSource;
  readonly now: () => number;
  readonly origin: () => string;
}

/** Makes a key. Throws for what the service would not make, and for a name that is taken. */
export function simulateKey(options: KeyOptions & { readonly name: string }, place: Place): SimulatedKey {
  const { name, kty = 'RSA', size = sizes[kty][0] ?? 0, ops = everyUse[kty] } = options;
  const impossible = ops.find((use) => !everyUse[kty].includes(use));
  if (impossible !== undefined) throw new TypeError(`a key of type ${kty} is not for ${impossible}`);
  if (!sizes[kty].includes(size)) throw new RangeError(`a key of type ${kty} does not have ${size} bits`);
  if (!/^[A-Za-z0-9-]{1,127}$/.test(name)) throw new TypeError('a name has letters, digits and hyphens');
  const record: KeyRecord = { name, type: kty, size, uses: ops, versions: [make(kty, size, place)] };
  place.keys.add(record);
  return ownersView(record, place);
}

function make(kty: KeyType, size: number, { pairs, now }: Place): KeyVersion {
  if (kty === 'oct-HSM') return newVersion(newSecret(size), now());
  const spec = kty.startsWith('EC') ? 'ECC_NIST_P256' : rsaSpec(size);
  return newVersion({ kind: 'pair', pair: pairs.reserve(spec) }, now());
}

function rsaSpec(size: number): 'RSA_2048' | 'RSA_3072' | 'RSA_4096' {
  if (size === 4096) return 'RSA_4096';
  return size === 3072 ? 'RSA_3072' : 'RSA_2048';
}

function ownersView(key: KeyRecord, place: Place): SimulatedKey {
  const { keys, now, origin } = place;
  const change = (named: string | undefined, to: (version: KeyVersion) => void): void => {
    const versions = named === undefined ? key.versions : [versionOf(key, named)];
    for (const version of versions) {
      to(version);
      version.updated = now();
    }
  };
  return {
    name: key.name,
    get id() {
      return kidOf(origin(), key);
    },
    get version() {
      return current(key).version;
    },
    kid: (named) => kidOf(origin(), key, named === undefined ? current(key) : versionOf(key, named)),
    rotate: () => {
      key.versions.push(make(key.type, key.size, place));
      return current(key).version;
    },
    setEnabled: (enabled, named) =>
      change(named, (version) => {
        version.enabled = enabled;
      }),
    setTimes: ({ nbf, exp }, named) =>
      change(named, (version) => {
        delete version.notBefore;
        delete version.expires;
        if (nbf !== undefined) version.notBefore = nbf;
        if (exp !== undefined) version.expires = exp;
      }),
    setTags: (tags, named) =>
      change(named, (version) => {
        if (Object.keys(tags).length > 15) throw new RangeError('a version has at most 15 tags');
        version.tags = tags;
      }),
    delete: () => keys.delete(key),
    recover: () => keys.recover(key),
    purge: () => keys.purge(key),
  };
}

function versionOf(key: KeyRecord, named: string): KeyVersion {
  const version = key.versions.find((candidate) => candidate.version === named);
  if (version === undefined) throw new Error(`${key.name} has no version ${named}`);
  return version;
}
