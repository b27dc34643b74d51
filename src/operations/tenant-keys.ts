/**
 * Where operations get keys from: the cache first, the tenant's key service otherwise, one call for all who wait.
 *
 * `root` gives the key that new data goes under, `open` the key of something wrapped earlier. A root answers for both
 * once it exists: what was just encrypted decrypts without a call.
 */
import type { Clock } from '../base/clock.ts';
import { copyOfEntry, type EncryptedDataKey, serializeEntries } from '../base/encrypted-data-key.ts';
import type { EncryptionContext } from '../base/encryption-context.ts';
import { KeyproxyError } from '../base/errors.ts';
import type { TenantId } from '../base/ids.ts';
import type { EntryName, KeyCache } from '../dek/key-cache.ts';
import { Lease } from '../dek/lease.ts';
import { LeaseFlights } from '../dek/lease-flights.ts';
import { DataKey } from '../envelope/data-key.ts';
import type { KeyRing, OwnedEntry } from '../kms/key-ring.ts';
import type { KeyInfo, KeyService } from '../kms/key-service.ts';
import type { Tenant } from '../tenants/tenant.ts';
import { generateForAll, wrapForAll } from './all-writers.ts';
import { dekName, rootName } from './entry-names.ts';
import { asPublicFailure, isRefusal } from './failures.ts';
import { firstToOpen } from './first-to-open.ts';
import { KeyInUse } from './key-in-use.ts';
import type { KeyRequest, WrappedForms } from './key-request.ts';
import type { CacheResult, EngineObserver } from './observer.ts';
import { TenantKey } from './tenant-key.ts';

/** Messages and derived keys that one root may serve: the bound of the format's caching rules (caching-cmm.md). */
export const maxUsesOfRoot = 2 ** 32;

/** Length of a root and of the data key of a message, in bytes. */
const rootBytes = 32;

export interface TenantKeysOptions {
  readonly cache: KeyCache<TenantKey>;
  readonly clock: Clock;
  readonly observer: EngineObserver;
  /** Aborted when the daemon ends: stops calls to key services that no caller waits for any more. */
  readonly lifetime: AbortSignal;
}

/** Where a key would be in the cache, and what opens it. */
interface NotCached {
  readonly owned: readonly OwnedEntry[];
  readonly name: EntryName;
}

export class TenantKeys {
  readonly #options: TenantKeysOptions;
  readonly #flights = new LeaseFlights<TenantKey>();
  #freshCount = 0;

  constructor(options: TenantKeysOptions) {
    this.#options = options;
  }

  /** How many keys of a tenant are in the cache. */
  count(tenant: TenantId): number {
    return this.#options.cache.count(tenant);
  }

  /** The key that new data of this tenant and context goes under, counted as used once. */
  async root(request: KeyRequest): Promise<KeyInUse> {
    const { tenant, context } = request;
    const ring = tenant.ring ?? (await this.#ring(tenant));
    const name = rootName(tenant, ring.current, context);
    const hit = this.#options.cache.get(name);
    if (hit !== undefined && this.#mayServe(hit.lease.value, tenant)) {
      this.#asked(request, 'hit');
      hit.lease.value.uses += 1;
      if (!hit.lease.value.isCompleteFor(ring)) this.#complete(request, ring, hit.lease.value);
      return new KeyInUse(hit.lease, { remainingMs: hit.remainingMs, ring });
    }
    if (hit !== undefined) {
      hit.lease[Symbol.dispose]();
      this.#options.cache.drop(name, 'used_up');
    }
    const lease = await this.#fetch(request, name, () => this.#newRoot(request, ring));
    lease.value.uses += 1;
    return new KeyInUse(lease, { remainingMs: tenant.settings.cacheTtlMs, ring });
  }

  /**
   * The key that one of `entries` wraps; the caller checks it and then has it kept. Entries of keys that are not the
   * tenant's are skipped without a call; where none is left, or none opens, it throws `DECRYPT_FAILED`.
   */
  async open(request: KeyRequest, forms: WrappedForms): Promise<KeyInUse> {
    const { tenant, context } = request;
    const ring = tenant.ring ?? (await this.#ring(tenant));
    const found = this.#lookUp(ring, request, forms);
    if (found instanceof KeyInUse) return found;
    const { owned, name } = found;
    const lease = await this.#fetch(request, name, () => this.#unwrap(tenant, ring, { owned, forms, context }));
    const keep = () => {
      if (!this.#options.cache.has(name)) this.#keep(tenant, name, lease);
    };
    return new KeyInUse(lease, { remainingMs: tenant.settings.cacheTtlMs, ring, keep });
  }

  /** What `open` would give at once: the way of the hot path, which has nothing to wait for. */
  cached(request: KeyRequest, forms: WrappedForms): KeyInUse | undefined {
    const { ring } = request.tenant;
    const found = ring && this.#lookUp(ring, request, forms);
    return found instanceof KeyInUse ? found : undefined;
  }

  #lookUp(ring: KeyRing, request: KeyRequest, { entries, entriesBytes }: WrappedForms): KeyInUse | NotCached {
    const { tenant, context } = request;
    const first = ring.firstToOwn(entries);
    if (first === undefined) {
      throw new KeyproxyError('DECRYPT_FAILED', { cause: new Error('no entry belongs to a key of the tenant') });
    }
    const name = dekName(tenant, first, { entriesBytes, context });
    const hit = this.#options.cache.get(name);
    if (hit === undefined) return { owned: ring.owned(entries), name };
    this.#asked(request, 'hit');
    return new KeyInUse(hit.lease, { remainingMs: hit.remainingMs, ring });
  }

  /** A fresh data key straight from the key service, kept for the Unwrap that is likely to follow. */
  async fresh(request: KeyRequest, length: number): Promise<KeyInUse> {
    const { tenant } = request;
    const ring = tenant.ring ?? (await this.#ring(tenant));
    this.#freshCount += 1;
    // A flight of its own: nobody joins it, and a caller who gives up leaves nothing behind that is not wiped.
    const flight = `fresh ${this.#freshCount}`;
    const lease = await this.#flights.join(flight, () => this.#generate(request, ring, length), request.signal);
    this.#keepNew(request, ring, lease);
    return new KeyInUse(lease, { remainingMs: tenant.settings.cacheTtlMs, ring });
  }

  /** Wraps a key anew, for all of the tenant's keys. Nobody shares the call, so the caller's signal ends it. */
  async rewrap(request: KeyRequest, key: TenantKey): Promise<{ entries: readonly EncryptedDataKey[]; info: KeyInfo }> {
    const { context, signal } = request;
    const ring = request.tenant.ring ?? (await this.#ring(request.tenant));
    try {
      const known = key.entries;
      const { entries, service } = await wrapForAll(ring, { plaintext: key.dataKey.secret, known, context, signal });
      return { entries, info: infoOf(service, entries) };
    } catch (error) {
      signal.throwIfAborted();
      return asPublicFailure(error);
    }
  }

  async #newRoot(request: KeyRequest, ring: KeyRing): Promise<Lease<TenantKey>> {
    const made = await this.#generate(request, ring, rootBytes);
    this.#keepRoot(request, ring, made);
    return made;
  }

  /**
   * Looks, now and then and behind the callers' backs, for a root that all keys open, in the place of one that was
   * made while a key gave no answer. The old one serves until there is one, or until the current key says no: then no
   * new data goes under what replicas made in its place.
   */
  #complete(request: KeyRequest, ring: KeyRing, root: TenantKey): void {
    const lacks = root.entries.some((entry) => ring.current.owns(entry)) ? 'replica' : 'current';
    if (!root.completion.isDue(this.#now(), lacks)) return;
    void this.#generate(request, ring, rootBytes).then(
      (made) => {
        using lease = made;
        if (lease.value.isCompleteFor(ring)) this.#keepRoot(request, ring, lease);
      },
      // The failure was reported where it happened; the next attempt comes by itself.
      (error) => {
        if (isRefusal(error))
          this.#options.cache.drop(rootName(request.tenant, ring.current, request.context), 'refused');
      },
    );
  }

  async #generate(request: KeyRequest, ring: KeyRing, length: number): Promise<Lease<TenantKey>> {
    const { tenant, context } = request;
    const { observer, lifetime: signal } = this.#options;
    const start = this.#now();
    const made = await generateForAll(ring, { length, context, signal }).catch(asPublicFailure);
    observer.dekGenerated('kms', (this.#now() - start) / 1000);
    const { plaintext, entries, service } = made;
    if (service !== ring.current) observer.failedOver(tenant.id, service.provider);
    const dataKey = DataKey.adopt(plaintext);
    return Lease.own(new TenantKey({ dataKey, entries, info: infoOf(service, entries), bornAt: this.#now() }));
  }

  async #unwrap(
    tenant: Tenant,
    ring: KeyRing,
    { owned, forms, context }: { owned: readonly OwnedEntry[]; forms: WrappedForms; context: EncryptionContext },
  ): Promise<Lease<TenantKey>> {
    const { observer, lifetime: signal } = this.#options;
    const { plaintext, by, failedOver } = await firstToOpen(ring, owned, { context, signal });
    if (failedOver) observer.failedOver(tenant.id, by.service.provider);
    const dataKey = DataKey.adopt(plaintext);
    const info = by.service.describe(by.entry);
    return Lease.own(new TenantKey({ dataKey, entries: forms.entries.map(copyOfEntry), info, bornAt: this.#now() }));
  }

  #now(): number {
    return this.#options.clock.monotonic();
  }

  #ring(tenant: Tenant): Promise<KeyRing> {
    return tenant.keys().catch(asPublicFailure);
  }

  #fetch(request: KeyRequest, name: EntryName, work: () => Promise<Lease<TenantKey>>): Promise<Lease<TenantKey>> {
    const flight = `${name.space} ${name.key}`;
    this.#asked(request, this.#flights.has(flight) ? 'coalesced' : 'miss');
    return this.#flights.join(flight, work, request.signal);
  }

  #asked(request: KeyRequest, result: CacheResult): void {
    if (result === 'miss') request.tenant.figures.misses += 1;
    else request.tenant.figures.hits += 1;
    this.#options.observer.cacheAsked(request.tenant.id, request.operation, result);
  }

  #keepRoot(request: KeyRequest, ring: KeyRing, made: Lease<TenantKey>): void {
    this.#keep(request.tenant, rootName(request.tenant, ring.current, request.context), made);
    this.#keepNew(request, ring, made);
  }

  /** Keeps a key that the key service has just made for the opening that is likely to follow. */
  #keepNew({ tenant, context }: KeyRequest, ring: KeyRing, made: Lease<TenantKey>): void {
    const { entries } = made.value;
    const first = ring.firstToOwn(entries);
    if (first === undefined) return;
    const entriesBytes = serializeEntries(entries);
    this.#keep(tenant, dekName(tenant, first, { entriesBytes, context }), made);
  }

  /** A tenant that was replaced meanwhile may have had a key that is no longer configured: that one is not kept. */
  #keep(tenant: Tenant, name: EntryName, lease: Lease<TenantKey>): void {
    if (tenant.isServed) this.#options.cache.put(name, { lease: lease.share(), bytes: lease.value.bytes });
  }

  #mayServe(key: TenantKey, tenant: Tenant): boolean {
    return key.uses < maxUsesOfRoot && this.#now() - key.bornAt < tenant.settings.rotationMs;
  }
}

/** What to tell of a key by its first entry, which `service` wrapped. */
function infoOf(service: KeyService, [first]: readonly EncryptedDataKey[]): KeyInfo {
  if (first === undefined) throw new Error('a key was wrapped for nobody');
  return service.describe(first);
}
