/** A transit key as a test holds it: what its owner could do to it, with effect from the next request on. */
import { randomUUID } from 'node:crypto';
import type { VaultCluster } from './cluster.ts';
import { Fields } from './fields.ts';
import { canonicalPath, type Mount, mountAt } from './mounts.ts';
import { type KeyType, newKey, rotateKey, type TransitKey } from './transit-key.ts';
import { configureKey } from './transit-key-config.ts';

export interface KeyOptions {
  /** Letters and digits of its own unless given. */
  readonly name?: string;
  /** aes256-gcm96 unless given. */
  readonly type?: KeyType;
  /** `transit` unless given; mounted if it is not yet. */
  readonly mount?: string;
  readonly namespace?: string;
  /** Whether each request derives a key of its own from a context. */
  readonly derived?: boolean;
}

/** A key as its owner holds it. */
export interface SimulatedKey {
  readonly name: string;
  /** `transit`, say. */
  readonly mount: string;
  readonly namespace: string | undefined;
  /** Number of the newest version. */
  readonly latestVersion: number;
  /** A new version; what the older ones encrypted still opens. */
  rotate(): void;
  /** `POST keys/:name/config` by its own fields; rejects with the server's answer for limits that cannot be. */
  config(fields: Readonly<Record<string, number | boolean | string>>): Promise<void>;
  /** Allows the deletion, and deletes: gone at once and for good. */
  delete(): void;
}

/** An engine without keys. */
export function transitMount(path: string): Extract<Mount, { kind: 'transit' }> {
  return { path: canonicalPath(path), kind: 'transit', keys: new Map(), disableUpsert: false };
}

/** Makes a key, and its engine if nothing is mounted there; throws for a name that is taken. */
export function createKey(options: KeyOptions, cluster: VaultCluster): SimulatedKey {
  const { mount = 'transit', namespace, type = 'aes256-gcm96', derived = false } = options;
  const name = options.name ?? `key-${randomUUID().slice(0, 8)}`;
  const { keys } = mountAt(cluster.namespaces.require(namespace), transitMount(mount));
  if (keys.has(name)) throw new Error(`${name} exists already`);
  const key = newKey({ name, type, derived }, cluster.making);
  keys.set(name, key);
  return {
    name,
    mount,
    namespace,
    get latestVersion() {
      return key.versions.length;
    },
    rotate: () => rotateKey(key, cluster.making),
    config: (fields) => configure(key, fields),
    delete: () => {
      keys.delete(name);
    },
  };
}

async function configure(key: TransitKey, raw: Readonly<Record<string, unknown>>): Promise<void> {
  const schema = {
    min_decryption_version: 'int',
    min_encryption_version: 'int',
    deletion_allowed: 'bool',
    auto_rotate_period: 'duration',
  } as const;
  await configureKey(key, new Fields(raw, { name: key.name }, { schema, existenceCheck: false }));
}
