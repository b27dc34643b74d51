/** A key as a test holds it: what its owner could do to it, with effect from the next request on. */
import type { KeyPairSource } from '../aws/key-pairs.ts';
import type { EkmErrorDomain } from './ekm.ts';
import {
  type Algorithm,
  factsOf,
  type KeyRecord,
  type KeyStore,
  type ProtectionLevel,
  type VersionRecord,
  type VersionState,
} from './keys.ts';

/** How a key is made; every part has a default. */
export interface KeyOptions {
  /** GOOGLE_SYMMETRIC_ENCRYPTION unless given; EXTERNAL_SYMMETRIC_ENCRYPTION where the protection level is external. */
  readonly algorithm?: Algorithm;
  /** SOFTWARE unless given. */
  readonly protectionLevel?: ProtectionLevel;
  /** The simulator's own project unless given. */
  readonly project?: string;
  /** europe-west1 unless given. */
  readonly location?: string;
  readonly keyRing?: string;
  /** The last part of the name; a new one unless given. */
  readonly id?: string;
}

/** A key in its owner's hand. */
export interface SimulatedKey {
  /** `projects/…/locations/…/keyRings/…/cryptoKeys/…` */
  readonly name: string;
  /** The name of a version; of the primary, or the newest where there is none, unless told otherwise. */
  versionName(number?: number): string;
  /** Disables a version, or all of them where none is given. */
  disable(version?: number): void;
  /** Enables a version, or all that are disabled where none is given. */
  enable(version?: number): void;
  /** Destruction in 30 days of the simulator's clock, or as many as are given. */
  scheduleDestruction(options?: { version?: number; days?: number }): void;
  /** Takes the destruction back; the version is disabled afterwards, as at Google. */
  restore(version?: number): void;
  /** Destroys the material at once and for good. */
  destroy(version?: number): void;
  /** Any state at all, without the way that leads to it. */
  setState(state: VersionState, version?: number): void;
  /** A new version; the primary from now on where the key is symmetric. Says its number. */
  rotate(): number;
  /** Makes a version the primary, or leaves a symmetric key without one. */
  setPrimary(version: number | undefined): void;
  /** These labels and no others; in lower case, as Google takes them. */
  setLabels(labels: Readonly<Record<string, string>>): void;
  /** What the external key manager answers from now on; undefined when it is well again. Only for external keys. */
  setEkm(domain: EkmErrorDomain | undefined): void;
  /** Gone at once and for good, with all of its versions. */
  remove(): void;
}

const dayMs = 86_400_000;

/** Makes a key with one enabled version. Throws for an algorithm that its protection level does not have. */
export function simulateKey(
  options: KeyOptions & { readonly project: string; readonly id: string },
  { keys, pairs, now }: { keys: KeyStore; pairs: KeyPairSource; now: () => number },
): SimulatedKey {
  const { project, id, location = 'europe-west1', keyRing = 'keyproxy', protectionLevel = 'SOFTWARE' } = options;
  const external = protectionLevel === 'EXTERNAL' || protectionLevel === 'EXTERNAL_VPC';
  const algorithm = options.algorithm ?? (external ? 'EXTERNAL_SYMMETRIC_ENCRYPTION' : 'GOOGLE_SYMMETRIC_ENCRYPTION');
  if (external !== (algorithm === 'EXTERNAL_SYMMETRIC_ENCRYPTION')) {
    throw new TypeError(`${algorithm} does not go with the protection level ${protectionLevel}`);
  }
  const { purpose, pair } = factsOf(algorithm);
  const name = `projects/${project}/locations/${location}/keyRings/${keyRing}/cryptoKeys/${id}`;
  const key = keys.add({ name, purpose, algorithm, protectionLevel });
  const addVersion = (): VersionRecord => {
    const version = keys.addVersion(key, pair === undefined ? undefined : pairs.reserve(pair));
    if (purpose === 'ENCRYPT_DECRYPT') key.primary = version;
    return version;
  };
  addVersion();
  return ownersView(key, { keys, now, addVersion });
}

function ownersView(
  key: KeyRecord,
  { keys, now, addVersion }: { keys: KeyStore; now: () => number; addVersion: () => VersionRecord },
): SimulatedKey {
  const one = (number: number | undefined): VersionRecord => {
    const version = number === undefined ? (key.primary ?? key.versions.at(-1)) : key.versions[number - 1];
    if (version === undefined) throw new RangeError(`the key has no version ${number}`);
    return version;
  };
  const chosen: Chosen = (number) => (number === undefined ? key.versions : [one(number)]);
  return {
    name: key.name,
    versionName: (number) => one(number).name,
    ...lifeOf(chosen, { keys, now }),
    rotate: () => addVersion().number,
    setPrimary: (number) => {
      if (key.purpose !== 'ENCRYPT_DECRYPT') throw new TypeError('only symmetric keys have a primary version');
      key.primary = number === undefined ? undefined : one(number);
    },
    setLabels: (labels) => {
      // https://cloud.google.com/kms/docs/labeling-keys
      const isPossible = ([name, value]: [string, string]) =>
        /^[\p{Ll}\p{Lo}][\p{Ll}\p{Lo}\p{N}_-]{0,62}$/u.test(name) && /^[\p{Ll}\p{Lo}\p{N}_-]{0,63}$/u.test(value);
      if (!Object.entries(labels).every(isPossible)) throw new TypeError('labels are in lower case');
      key.labels = labels;
    },
    setEkm: (domain) => {
      if (!key.protectionLevel.startsWith('EXTERNAL')) throw new TypeError('the key is not an external one');
      key.ekm = domain;
    },
    remove: () => keys.remove(key),
  };
}

/** The version of a number, or all of them. */
type Chosen = (number: number | undefined) => readonly VersionRecord[];

/** What changes the states of versions. */
function lifeOf(
  chosen: Chosen,
  { keys, now }: { keys: KeyStore; now: () => number },
): Pick<SimulatedKey, 'disable' | 'enable' | 'restore' | 'scheduleDestruction' | 'destroy' | 'setState'> {
  const change = (from: readonly VersionState[] | 'any', to: VersionState) => (number?: number) => {
    for (const version of chosen(number)) {
      if (from !== 'any' && !from.includes(version.state)) continue;
      version.state = to;
      delete version.destroyAt;
    }
  };
  return {
    disable: change(['ENABLED', 'DISABLED'], 'DISABLED'),
    enable: change(['ENABLED', 'DISABLED'], 'ENABLED'),
    restore: change(['DESTROY_SCHEDULED'], 'DISABLED'),
    scheduleDestruction: ({ version: number, days = 30 } = {}) => {
      for (const version of chosen(number)) {
        version.state = 'DESTROY_SCHEDULED';
        version.destroyAt = now() + days * dayMs;
      }
    },
    destroy: (number) => {
      for (const version of chosen(number)) keys.destroy(version);
    },
    setState: (state, number) => change('any', state)(number),
  };
}
