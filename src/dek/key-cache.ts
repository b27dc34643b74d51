/**
 * The cache of unwrapped keys: one policy over two spaces, `dek` for keys that callers brought wrapped and `root`
 * for the keys that new data goes under.
 *
 * - Per tenant and space: at most `maxEntries`, the least recently used one goes first; none older than `ttlMs`.
 * - For the process: at most `maxBytes`. The tenant that holds most loses first, so that nobody can push another
 *   tenant below its equal share.
 * - Every entry that goes has a reason, and lets go of its lease: the key is wiped when its last user is done.
 */
import type { Clock } from '../base/clock.ts';
import type { TenantId } from '../base/ids.ts';
import { Expiry } from './expiry.ts';
import type { Lease } from './lease.ts';

/** Which of the two caches. */
export type Space = 'dek' | 'root';

/** Why an entry leaves the cache. */
export const evictionReasons = [
  /** It reached the tenant's time to live. */
  'expired',
  /** The tenant's bound on entries. */
  'max_entries',
  /** The process's bound on bytes. */
  'max_bytes',
  /** A root key reached its bound on messages or its rotation interval. */
  'used_up',
  /** A newer key of the same name took its place. */
  'replaced',
  /** The tenant's current key said no. */
  'refused',
  /** The tenant or its key left the configuration. */
  'removed',
  /** The daemon is stopping. */
  'shutdown',
] as const;

export type EvictionReason = (typeof evictionReasons)[number];

export interface CachePolicy {
  /** Longest life of an entry in milliseconds; 0 turns caching off. */
  readonly ttlMs: number;
  /** Bound on entries in each of the two spaces. */
  readonly maxEntries: number;
}

export interface KeyCacheOptions {
  readonly clock: Clock;
  /** Bound on the sum of the entries' sizes, in bytes. */
  readonly maxBytes: number;
  readonly onEvict?: (tenant: TenantId, reason: EvictionReason) => void;
}

/** What an entry is found by. */
export interface EntryName {
  readonly tenant: TenantId;
  readonly space: Space;
  readonly key: string;
}

interface Entry<T extends Disposable> {
  readonly partition: Partition<T>;
  readonly space: Space;
  readonly key: string;
  readonly lease: Lease<T>;
  readonly bytes: number;
  /** Monotonic time of its birth, in milliseconds. */
  readonly bornAt: number;
}

interface Partition<T extends Disposable> {
  readonly tenant: TenantId;
  policy: CachePolicy;
  bytes: number;
  /** Least recently used first: a Map keeps the order of insertion. */
  readonly spaces: Readonly<Record<Space, Map<string, Entry<T>>>>;
}

/** A hit: a lease of the value and how long the entry may still live, in milliseconds. */
export interface Hit<T extends Disposable> {
  readonly lease: Lease<T>;
  readonly remainingMs: number;
}

export class KeyCache<T extends Disposable> implements Disposable {
  readonly #options: KeyCacheOptions;
  readonly #partitions = new Map<TenantId, Partition<T>>();
  readonly #expiry: Expiry<Entry<T>>;
  #bytes = 0;

  constructor(options: KeyCacheOptions) {
    this.#options = options;
    this.#expiry = new Expiry(options.clock, (entry) => this.#evict(entry, 'expired'));
  }

  /** Sum of the sizes of all entries, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Number of entries, of one tenant or of all. */
  count(tenant?: TenantId): number {
    const partitions = tenant === undefined ? this.#partitions.values() : [this.#partitions.get(tenant)];
    let sum = 0;
    for (const partition of partitions) sum += (partition?.spaces.dek.size ?? 0) + (partition?.spaces.root.size ?? 0);
    return sum;
  }

  /** Admits a tenant, or changes its bounds; what no longer fits goes at once. */
  admit(tenant: TenantId, policy: CachePolicy): void {
    const partition = this.#partitions.get(tenant);
    if (partition === undefined) {
      const spaces = { dek: new Map<string, Entry<T>>(), root: new Map<string, Entry<T>>() };
      this.#partitions.set(tenant, { tenant, policy, bytes: 0, spaces });
      return;
    }
    partition.policy = policy;
    for (const space of Object.values(partition.spaces)) {
      for (const entry of space.values()) {
        if (this.#remaining(entry) <= 0) this.#evict(entry, 'expired');
        else this.#expiry.plan(entry, entry.bornAt + policy.ttlMs);
      }
      this.#trim(space, policy.maxEntries);
    }
  }

  /** Drops a tenant with all its entries. */
  remove(tenant: TenantId): void {
    this.clear(tenant, 'removed');
    this.#partitions.delete(tenant);
  }

  /** Drops all entries of a tenant. */
  clear(tenant: TenantId, reason: EvictionReason): void {
    for (const space of Object.values(this.#partitions.get(tenant)?.spaces ?? {})) {
      for (const entry of space.values()) this.#evict(entry, reason);
    }
  }

  /** Tells whether there is such an entry, without marking it as used; it may have reached its end. */
  has({ tenant, space, key }: EntryName): boolean {
    return this.#partitions.get(tenant)?.spaces[space].has(key) ?? false;
  }

  /** Looks an entry up and marks it as used; undefined where there is none that may still live. */
  get({ tenant, space, key }: EntryName): Hit<T> | undefined {
    const entries = this.#partitions.get(tenant)?.spaces[space];
    const entry = entries?.get(key);
    if (entries === undefined || entry === undefined) return undefined;
    const remainingMs = this.#remaining(entry);
    if (remainingMs <= 0) {
      this.#evict(entry, 'expired');
      return undefined;
    }
    entries.delete(key);
    entries.set(key, entry);
    return { lease: entry.lease.share(), remainingMs };
  }

  /**
   * Keeps a value that counts for `bytes` bytes and takes over `lease`. Where the tenant was not admitted or has
   * caching off, or the value is over the bound, nothing is kept: the lease is let go at once.
   */
  put({ tenant, space, key }: EntryName, { lease, bytes }: { lease: Lease<T>; bytes: number }): void {
    const partition = this.#partitions.get(tenant);
    if (partition === undefined || partition.policy.ttlMs <= 0 || bytes > this.#options.maxBytes) {
      lease[Symbol.dispose]();
      return;
    }
    const entries = partition.spaces[space];
    const older = entries.get(key);
    if (older !== undefined) this.#evict(older, 'replaced');
    const entry: Entry<T> = { partition, space, key, lease, bytes, bornAt: this.#options.clock.monotonic() };
    entries.set(key, entry);
    partition.bytes += bytes;
    this.#bytes += bytes;
    this.#expiry.plan(entry, entry.bornAt + partition.policy.ttlMs);
    this.#trim(entries, partition.policy.maxEntries);
    while (this.#bytes > this.#options.maxBytes) this.#evictFromLargest();
  }

  /** Drops one entry, if it is there. */
  drop({ tenant, space, key }: EntryName, reason: EvictionReason): void {
    const entry = this.#partitions.get(tenant)?.spaces[space].get(key);
    if (entry !== undefined) this.#evict(entry, reason);
  }

  #remaining(entry: Entry<T>): number {
    return entry.bornAt + entry.partition.policy.ttlMs - this.#options.clock.monotonic();
  }

  #trim(entries: Map<string, Entry<T>>, maxEntries: number): void {
    for (const entry of entries.values()) {
      if (entries.size <= maxEntries) return;
      this.#evict(entry, 'max_entries');
    }
  }

  /** The tenant with most bytes is above its equal share whenever the sum is above the bound. */
  #evictFromLargest(): void {
    let largest: Partition<T> | undefined;
    for (const partition of this.#partitions.values()) {
      if (largest === undefined || partition.bytes > largest.bytes) largest = partition;
    }
    const oldest = largest && firstToGo(largest);
    if (oldest === undefined) throw new Error('the cache counts bytes that no entry holds');
    this.#evict(oldest, 'max_bytes');
  }

  #evict(entry: Entry<T>, reason: EvictionReason): void {
    entry.partition.spaces[entry.space].delete(entry.key);
    entry.partition.bytes -= entry.bytes;
    this.#bytes -= entry.bytes;
    this.#expiry.cancel(entry);
    entry.lease[Symbol.dispose]();
    this.#options.onEvict?.(entry.partition.tenant, reason);
  }

  /** Wipes everything. */
  [Symbol.dispose](): void {
    for (const tenant of [...this.#partitions.keys()]) {
      this.clear(tenant, 'shutdown');
      this.#partitions.delete(tenant);
    }
    this.#expiry[Symbol.dispose]();
  }
}

/** Of a tenant's two spaces, keys that callers can bring again go before those that new data goes under. */
function firstToGo<T extends Disposable>(partition: Partition<T>): Entry<T> | undefined {
  const { dek, root } = partition.spaces;
  return dek.values().next().value ?? root.values().next().value;
}
