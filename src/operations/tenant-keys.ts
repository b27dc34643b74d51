/**
 * Where operations get keys from: the cache first, the tenant's key service otherwise, one call for all who wait.
 *
 * `root` gives the key that new data goes under, `open` the key of something wrapped earlier. A root answers for both
 * once it exists: what was just encrypted decrypts without a call. Keys in use are renewed before their time is over.
 */
import { equalInConstantTime } from '../base/bytes.ts';
import { type EncryptedDataKey, serializeEntries } from '../base/encrypted-data-key.ts';
import { KeyproxyError } from '../base/errors.ts';
import type { TenantId } from '../base/ids.ts';
import type { EntryName, Hit, KeyCache } from '../dek/key-cache.ts';
import type { Lease } from '../dek/lease.ts';
import { type Flights, LeaseFlights } from '../dek/lease-flights.ts';
import type { KeyRing, OwnedEntry } from '../kms/key-ring.ts';
import type { KeyInfo } from '../kms/key-service.ts';
import type { ProviderNote } from '../kms/provider-note.ts';
import type { Tenant } from '../tenants/tenant.ts';
import { dekName, rootName } from './entry-names.ts';
import { asPublicFailure, isRefusal, kmsFailure } from './failures.ts';
import { KeyInUse, type UseTerms } from './key-in-use.ts';
import type { KeyRequest, WrappedForms } from './key-request.ts';
import { KeySource, type KeySourceOptions, type Whose } from './key-source.ts';
import type { CacheResult } from './observer.ts';
import type { TenantKey } from './tenant-key.ts';

/** Messages and derived keys that one root may serve: the bound of the format's caching rules (caching-cmm.md). */
export const maxUsesOfRoot = 2 ** 32;

/** Length of a root and of the data key of a message, in bytes. */
const rootBytes = 32;

export interface TenantKeysOptions extends KeySourceOptions {
  readonly cache: KeyCache<TenantKey>;
  /** Calls that several wait for; its own where it is not given. */
  readonly flights?: Flights<TenantKey> | undefined;
}

/** Where a key would be in the cache, and what opens it. */
interface NotCached {
  readonly owned: readonly OwnedEntry[];
  readonly name: EntryName;
}

export class TenantKeys {
  readonly #options: TenantKeysOptions;
  readonly #source: KeySource;
  readonly #flights: Flights<TenantKey>;
  #freshCount = 0;

  constructor(options: TenantKeysOptions) {
    this.#options = options;
    this.#flights = options.flights ?? new LeaseFlights();
    this.#source = new KeySource(options);
  }

  /** How many keys of a tenant are in the cache. */
  count(tenant: TenantId): number {
    return this.#options.cache.count(tenant);
  }

  /** The key that new data of this tenant and context goes under, counted as used once. */
  async root(request: KeyRequest): Promise<KeyInUse> {
    const { tenant, context } = request;
    const since = sinceNow(request);
    const ring = tenant.ring ?? (await this.#ring(tenant));
    const name = rootName(tenant, ring.current, context);
    const hit = this.#options.cache.get(name);
    const isUsedUp = hit !== undefined && !this.#mayServe(hit.lease.value, tenant);
    if (hit !== undefined && !isUsedUp && maySpeakFor(hit.lease.value, tenant)) {
      this.#asked(request, 'hit');
      hit.lease.value.uses += 1;
      if (hit.isDue) this.#renewRoot(request, ring, hit.lease.value);
      else if (!hit.lease.value.isCompleteFor(ring)) this.#complete(request, ring, hit.lease.value);
      return new KeyInUse(hit.lease, { remainingMs: hit.remainingMs, ring, since });
    }
    hit?.lease[Symbol.dispose]();
    if (isUsedUp) this.#options.cache.drop(name, 'used_up');
    const lease = await this.#fetch(request, name, (note) => this.#newRoot({ tenant, ring, context, note }));
    lease.value.uses += 1;
    return new KeyInUse(lease, { remainingMs: tenant.settings.cacheTtlMs, ring, since });
  }

  /**
   * The key that one of `entries` wraps; the caller checks it and then has it kept. Entries of keys that are not the
   * tenant's are skipped without a call; where none is left, or none opens, it throws `DECRYPT_FAILED`.
   */
  async open(request: KeyRequest, forms: WrappedForms): Promise<KeyInUse> {
    const { tenant, context } = request;
    const since = sinceNow(request);
    const ring = tenant.ring ?? (await this.#ring(tenant));
    const found = this.#lookUp(ring, request, forms);
    if (found instanceof KeyInUse) return found;
    const { owned, name } = found;
    const lease = await this.#fetch(request, name, (note) =>
      this.#source.unwrap({ tenant, ring, context, note }, owned, forms.entries),
    );
    const keep = () => {
      const there = this.#options.cache.peek(name);
      if (there === undefined || !maySpeakFor(there, tenant)) this.#keep(tenant, name, lease);
    };
    return new KeyInUse(lease, { remainingMs: tenant.settings.cacheTtlMs, ring, since, keep });
  }

  /** What `open` would give at once: the way of the hot path, which has nothing to wait for. */
  cached(request: KeyRequest, forms: WrappedForms): KeyInUse | undefined {
    const { ring } = request.tenant;
    const found = ring && this.#lookUp(ring, request, forms);
    return found instanceof KeyInUse ? found : undefined;
  }

  #lookUp(ring: KeyRing, request: KeyRequest, forms: WrappedForms): KeyInUse | NotCached {
    const { tenant, context } = request;
    const since = sinceNow(request);
    const { entries, entriesBytes } = forms;
    const first = ring.firstToOwn(entries);
    if (first === undefined) {
      throw new KeyproxyError('DECRYPT_FAILED', { cause: new Error('no entry belongs to a key of the tenant') });
    }
    const name = dekName(tenant, first, { entriesBytes, context });
    const hit = this.#options.cache.get(name);
    if (hit === undefined) return { owned: ring.owned(entries), name };
    if (!maySpeakFor(hit.lease.value, tenant)) {
      using lease = hit.lease;
      return { owned: openable(tenant, ring.owned(entries), lease.value), name };
    }
    this.#asked(request, 'hit');
    if (hit.isDue) this.#renew(request.tenant, ring, name, hit);
    return new KeyInUse(hit.lease, { remainingMs: hit.remainingMs, ring, since });
  }

  /** A fresh data key straight from the key service, kept for the Unwrap that is likely to follow. */
  async fresh(request: KeyRequest, length: number): Promise<KeyInUse> {
    const { tenant, context, signal, record } = request;
    const since = sinceNow(request);
    const ring = tenant.ring ?? (await this.#ring(tenant));
    this.#freshCount += 1;
    // A flight of its own: nobody joins it, and a caller who gives up leaves nothing behind that is not wiped.
    const flight = `fresh ${this.#freshCount}`;
    const lease = await this.#flights.join(
      flight,
      () => record.begun().then(() => this.#source.generate({ tenant, ring, context, note: record.note }, length)),
      signal,
    );
    this.#keepNew({ tenant, ring, context }, lease);
    return new KeyInUse(lease, { remainingMs: tenant.settings.cacheTtlMs, ring, since });
  }

  /** Wraps a key anew, for all of the tenant's keys. Nobody shares the call, so the caller's signal ends it. */
  async rewrap(request: KeyRequest, key: TenantKey): Promise<{ entries: readonly EncryptedDataKey[]; info: KeyInfo }> {
    const { tenant, context, signal, record } = request;
    expectServed(request);
    const ring = tenant.ring ?? (await this.#ring(tenant));
    await record.begun();
    return await this.#source.rewrap({ tenant, ring, context, note: record.note }, key, signal);
  }

  /**
   * Fetches a key that was in use before a restart, unless it is here already, behind the calls of those who wait.
   * Throws the public failure.
   */
  async warm(tenant: Tenant, whole: Pick<Whose, 'context'> & WrappedForms): Promise<void> {
    expectServed({ tenant, context: whole.context });
    const ring = (tenant.ring ?? (await this.#ring(tenant))).background;
    const { context, entries, entriesBytes } = whole;
    const first = ring.firstToOwn(entries);
    if (first === undefined) return;
    const name = dekName(tenant, first, { entriesBytes, context });
    if (this.#options.cache.has(name)) return;
    using lease = await this.#fly(name, () =>
      this.#source.unwrap({ tenant, ring, context }, ring.owned(entries), entries),
    );
    if (!this.#options.cache.has(name)) this.#keep(tenant, name, lease);
  }

  async #newRoot(whose: Whose): Promise<Lease<TenantKey>> {
    const made = await this.#source.generate(whose, rootBytes);
    this.#keepRoot(whose, made);
    return made;
  }

  /**
   * Looks, now and then and behind the callers' backs, for a root that all keys open, in the place of one that was
   * made while a key gave no answer. The old one serves until there is one, or until the current key says no: then no
   * new data goes under what replicas made in its place.
   */
  #complete(request: KeyRequest, ring: KeyRing, root: TenantKey): void {
    const lacks = root.entries.some((entry) => ring.current.owns(entry)) ? 'replica' : 'current';
    if (root.completion.isDue(this.#now(), lacks)) this.#newRootBehind(request, ring, { mustBeComplete: true });
  }

  /** Makes the next root before the time of this one is over. One that fewer keys open does not take its place. */
  #renewRoot(request: KeyRequest, ring: KeyRing, root: TenantKey): void {
    this.#newRootBehind(request, ring, { mustBeComplete: root.isCompleteFor(ring) });
  }

  #newRootBehind(
    { tenant, context }: KeyRequest,
    ring: KeyRing,
    { mustBeComplete }: { mustBeComplete: boolean },
  ): void {
    const whose = { tenant, ring: ring.background, context };
    const name = rootName(tenant, ring.current, context);
    this.#behind(name, async () => {
      using made = await this.#fly(name, () => this.#source.generate(whose, rootBytes));
      if (!mustBeComplete || made.value.isCompleteFor(whose.ring)) this.#keepRoot(whose, made);
    });
  }

  /** Fetches an opened key anew before its time is over. */
  #renew(tenant: Tenant, ring: KeyRing, name: EntryName, { lease }: Hit<TenantKey>): void {
    const { entries, context } = lease.value;
    const behind = ring.background;
    this.#behind(name, async () => {
      using again = await this.#fly(name, () =>
        this.#source.unwrap({ tenant, ring: behind, context }, behind.owned(entries), entries),
      );
      // What opens as something else now is nothing to put in its place. No lease is held of what is there: it has to go at
      // once where the customer says no meanwhile.
      const there = this.#options.cache.peek(name);
      if (there === undefined || isSameKey(there, again.value)) this.#keep(tenant, name, again);
    });
  }

  /**
   * Work that no caller waits for. A failure was reported where it happened, and the next attempt comes by itself; a no
   * takes along what was to be renewed.
   */
  #behind(name: EntryName, work: () => Promise<void>): void {
    work().catch((error) => {
      if (isRefusal(error)) this.#options.cache.drop(name, 'refused');
    });
  }

  #now(): number {
    return this.#options.clock.monotonic();
  }

  #ring(tenant: Tenant): Promise<KeyRing> {
    return tenant.keys().catch(asPublicFailure);
  }

  async #fetch(
    request: KeyRequest,
    name: EntryName,
    work: (note: ProviderNote) => Promise<Lease<TenantKey>>,
  ): Promise<Lease<TenantKey>> {
    const { record } = request;
    const flight = flightOf(name);
    this.#asked(request, this.#flights.has(flight) ? 'coalesced' : 'miss');
    const lease = await this.#flights.join(flight, () => record.begun().then(() => work({})), request.signal);
    const { requestId } = lease.value;
    if (requestId !== undefined) record.note.requestId = requestId;
    return lease;
  }

  /** A flight that no caller joins: it goes behind those of callers, who would wait longer than for one of their own. */
  #fly(name: EntryName, work: () => Promise<Lease<TenantKey>>): Promise<Lease<TenantKey>> {
    return this.#flights.join(`behind ${flightOf(name)}`, work, this.#options.lifetime);
  }

  #asked(request: KeyRequest, result: CacheResult): void {
    if (result === 'miss') request.tenant.figures.misses += 1;
    else request.tenant.figures.hits += 1;
    this.#options.observer.cacheAsked(request.tenant.id, request.operation, result);
  }

  #keepRoot(whose: Whose, made: Lease<TenantKey>): void {
    this.#keep(whose.tenant, rootName(whose.tenant, whose.ring.current, whose.context), made);
    this.#keepNew(whose, made);
  }

  /** Keeps a key that the key service has just made for the opening that is likely to follow. */
  #keepNew({ tenant, ring, context }: Whose, made: Lease<TenantKey>): void {
    const { entries } = made.value;
    const first = ring.firstToOwn(entries);
    if (first === undefined) return;
    const entriesBytes = serializeEntries(entries);
    this.#keep(tenant, dekName(tenant, first, { entriesBytes, context }), made);
  }

  /**
   * A tenant that was replaced meanwhile may have had a key that is no longer configured: what that gave is not kept. Nor
   * is what stands on a key that has said no since.
   */
  #keep(tenant: Tenant, name: EntryName, lease: Lease<TenantKey>): void {
    const { permit, openedBy, bytes } = lease.value;
    if (!tenant.isServed || !permit.holds) return;
    this.#options.cache.put(name, { lease: lease.share(), bytes });
    tenant.kept(openedBy);
  }

  #mayServe(key: TenantKey, tenant: Tenant): boolean {
    return key.uses < maxUsesOfRoot && this.#now() - key.bornAt < tenant.settings.rotationMs;
  }
}

/** Throws the public failure while the tenant's current key may not be used. */
function expectServed({ tenant: { current }, context }: Pick<KeyRequest, 'tenant' | 'context'>): void {
  try {
    current.expectUsable();
  } catch (error) {
    current.samples.wantedUnder(context);
    throw kmsFailure(error);
  }
}

/** The epoch at which a request begins. Throws the public failure while the tenant's current key may not be used. */
function sinceNow(request: Pick<KeyRequest, 'tenant' | 'context'>): UseTerms['since'] {
  expectServed(request);
  const { current } = request.tenant;
  return { watch: current, epoch: current.epoch };
}

/**
 * Whether what a replica or a retired key opened may be given out. Where that key's service has been silent for too long
 * it may not, and another key may open it anew; it stays where it is, since silence wipes nothing.
 */
function maySpeakFor({ openedBy }: TenantKey, tenant: Tenant): boolean {
  return openedBy === tenant.current || openedBy.state.kind === 'active';
}

/** What another key can open. Throws the public failure of the one that opened it where none can: nobody is asked then. */
function openable(tenant: Tenant, owned: readonly OwnedEntry[], { openedBy }: TenantKey): readonly OwnedEntry[] {
  if (owned.some(({ service }) => tenant.watchOf(service.keyId).state.kind === 'active')) return owned;
  try {
    openedBy.expectUsable();
  } catch (error) {
    throw kmsFailure(error);
  }
  return owned;
}

function isSameKey(a: TenantKey, b: TenantKey): boolean {
  return equalInConstantTime(a.dataKey.secret.reveal(), b.dataKey.secret.reveal());
}

function flightOf(name: EntryName): string {
  return `${name.space} ${name.key}`;
}
