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
import { renewalLead, renewalShare, shareAfterAttempt } from './renewal.ts';

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
  /** The key that opened or made it said no. */
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
  /** How many calls a second may be spent on fetching entries. */
  readonly callsPerSecond: number;
}

export interface KeyCacheOptions {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
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
  /** It is due for renewal when this share of the tenant's lead is left. */
  renewalShare: number;
}

interface Partition<T extends Disposable> {
  readonly tenant: TenantId;
  policy: CachePolicy;
  bytes: number;
  /** How long before their end entries are renewed, in milliseconds. */
  renewalLeadMs: number;
  /** Moves with every entry that comes or goes. */
  changes: number;
  /** Least recently used first: a Map keeps the order of insertion. */
  readonly spaces: Readonly<Record<Space, Map<string, Entry<T>>>>;
}

/** A hit: a lease of the value and how long the entry may still live, in milliseconds. */
export interface Hit<T extends Disposable> {
  readonly lease: Lease<T>;
  readonly remainingMs: number;
  /** Whether whoever asked is to fetch it anew, behind its back; said once, and again after a while where that failed. */
  readonly isDue: boolean;
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
      this.#partitions.set(tenant, { tenant, policy, bytes: 0, renewalLeadMs: 0, changes: 0, spaces });
      return;
    }
    partition.policy = policy;
    this.#changed(partition);
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

  /** Drops all entries of a tenant, or those of them that `which` tells. Returns how many went. */
  clear(tenant: TenantId, reason: EvictionReason, which: (value: T) => boolean = () => true): number {
    let gone = 0;
    for (const entry of this.#entriesOf(tenant)) {
      if (!which(entry.lease.value)) continue;
      this.#evict(entry, reason);
      gone++;
    }
    return gone;
  }

  /** Whether a tenant has an entry that `which` tells. */
  some(tenant: TenantId, which: (value: T) => boolean): boolean {
    for (const entry of this.#entriesOf(tenant)) if (which(entry.lease.value)) return true;
    return false;
  }

  /** The values of a tenant's entries in one space, the most recently used first. They stay the cache's. */
  values(tenant: TenantId, space: Space): T[] {
    const entries = this.#partitions.get(tenant)?.spaces[space].values() ?? [];
    return Array.from(entries, (entry) => entry.lease.value).reverse();
  }

  /** Another number whenever an entry of a tenant has come or gone. */
  changes(tenant: TenantId): number {
    return this.#partitions.get(tenant)?.changes ?? 0;
  }

  *#entriesOf(tenant: TenantId): Iterable<Entry<T>> {
    for (const space of Object.values(this.#partitions.get(tenant)?.spaces ?? {})) yield* space.values();
  }

  /** Tells whether there is such an entry, without marking it as used; it may have reached its end. */
  has({ tenant, space, key }: EntryName): boolean {
    return this.#partitions.get(tenant)?.spaces[space].has(key) ?? false;
  }

  /** The value of an entry, without marking it as used. It stays the cache's: look at it now, keep it not. */
  peek({ tenant, space, key }: EntryName): T | undefined {
    return this.#partitions.get(tenant)?.spaces[space].get(key)?.lease.value;
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
    return { lease: entry.lease.share(), remainingMs, isDue: isDue(entry, remainingMs) };
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
    const { clock, random } = this.#options;
    const [bornAt, share] = [clock.monotonic(), renewalShare(random)];
    const entry: Entry<T> = { partition, space, key, lease, bytes, bornAt, renewalShare: share };
    entries.set(key, entry);
    partition.bytes += bytes;
    this.#bytes += bytes;
    this.#changed(partition);
    this.#expiry.plan(entry, entry.bornAt + partition.policy.ttlMs);
    this.#trim(entries, partition.policy.maxEntries);
    while (this.#bytes > this.#options.maxBytes) this.#evictFromLargest();
  }

  /** Drops one entry, if it is there. */
  drop({ tenant, space, key }: EntryName, reason: EvictionReason): void {
    const entry = this.#partitions.get(tenant)?.spaces[space].get(key);
    if (entry !== undefined) this.#evict(entry, reason);
  }

  #changed(partition: Partition<T>): void {
    const { spaces, policy } = partition;
    const entries = spaces.dek.size + spaces.root.size;
    partition.changes++;
    partition.renewalLeadMs = renewalLead({ ...policy, entries });
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
    this.#changed(entry.partition);
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

/** Whether an entry is to be renewed now; it then counts as tried. */
function isDue<T extends Disposable>(entry: Entry<T>, remainingMs: number): boolean {
  const { renewalLeadMs } = entry.partition;
  if (remainingMs > entry.renewalShare * renewalLeadMs) return false;
  entry.renewalShare = shareAfterAttempt(remainingMs, renewalLeadMs);
  return true;
}

/** Of a tenant's two spaces, keys that callers can bring again go before those that new data goes under. */
function firstToGo<T extends Disposable>(partition: Partition<T>): Entry<T> | undefined {
  const { dek, root } = partition.spaces;
  return dek.values().next().value ?? root.values().next().value;
}
