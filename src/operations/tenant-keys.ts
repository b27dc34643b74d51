/**
 * Where operations get keys from: the cache first, the tenant's key service otherwise, one call for all who wait.
 *
 * `root` gives the key that new data goes under, `open` the key of something wrapped earlier. A root answers for both
 * once it exists: what was just encrypted decrypts without a call.
 */
import type { Clock } from '../base/clock.ts';
import { type EncryptedDataKey, serializeEntries } from '../base/encrypted-data-key.ts';
import type { EncryptionContext } from '../base/encryption-context.ts';
import { KeyproxyError } from '../base/errors.ts';
import type { TenantId } from '../base/ids.ts';
import type { EntryName, KeyCache } from '../dek/key-cache.ts';
import { Lease } from '../dek/lease.ts';
import { LeaseFlights } from '../dek/lease-flights.ts';
import { DataKey } from '../envelope/data-key.ts';
import { KmsError } from '../kms/fault.ts';
import type { KeyRing, OwnedEntry } from '../kms/key-ring.ts';
import type { KeyService } from '../kms/key-service.ts';
import type { Tenant } from '../tenants/tenant.ts';
import { cacheKey } from './cache-key.ts';
import { kmsFailure } from './failures.ts';
import { KeyInUse } from './key-in-use.ts';
import type { CacheOperation, CacheResult, EngineObserver } from './observer.ts';
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

/** One request's wish for a key. */
export interface KeyRequest {
  readonly tenant: Tenant;
  readonly context: EncryptionContext;
  readonly operation: CacheOperation;
  readonly signal: AbortSignal;
}

/** The wrapped forms of one key: as entries, and as the bytes that they were read from. */
export interface WrappedForms {
  readonly entries: readonly EncryptedDataKey[];
  readonly entriesBytes: Buffer;
}

/** Where a key would be in the cache, and what opens it. */
interface NotCached {
  readonly owned: readonly OwnedEntry[];
  readonly name: EntryName;
}

/** Entries to be opened, and the key whose word is decisive. */
interface Unwrapping {
  readonly entries: readonly EncryptedDataKey[];
  readonly context: EncryptionContext;
  readonly current: KeyService;
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
    const { current } = tenant.ring ?? (await this.#ring(tenant));
    const name = rootName(tenant, current, context);
    const hit = this.#options.cache.get(name);
    if (hit !== undefined && this.#mayServe(hit.lease.value, tenant)) {
      this.#asked(request, 'hit');
      hit.lease.value.uses += 1;
      return new KeyInUse(hit.lease, { remainingMs: hit.remainingMs, current });
    }
    if (hit !== undefined) {
      hit.lease[Symbol.dispose]();
      this.#options.cache.drop(name, 'used_up');
    }
    const lease = await this.#fetch(request, name, async () => {
      const made = await this.#generate(current, context, rootBytes);
      this.#keep(tenant, name, made);
      this.#keepNew(request, current, made);
      return made;
    });
    lease.value.uses += 1;
    return new KeyInUse(lease, { remainingMs: tenant.settings.cacheTtlMs, current });
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
    const { current } = ring;
    const { owned, name } = found;
    const { entries } = forms;
    const inOrder = [...owned].sort((a, b) => Number(b.service === current) - Number(a.service === current));
    const lease = await this.#fetch(request, name, () => this.#unwrapFirst(inOrder, { entries, context, current }));
    const keep = () => {
      if (!this.#options.cache.has(name)) this.#keep(tenant, name, lease);
    };
    return new KeyInUse(lease, { remainingMs: tenant.settings.cacheTtlMs, current, keep });
  }

  /** What `open` would give at once: the way of the hot path, which has nothing to wait for. */
  cached(request: KeyRequest, forms: WrappedForms): KeyInUse | undefined {
    const { ring } = request.tenant;
    const found = ring && this.#lookUp(ring, request, forms);
    return found instanceof KeyInUse ? found : undefined;
  }

  #lookUp(ring: KeyRing, request: KeyRequest, { entries, entriesBytes }: WrappedForms): KeyInUse | NotCached {
    const { tenant, context } = request;
    const owned = ring.owned(entries);
    const first = owned[0];
    if (first === undefined) {
      throw new KeyproxyError('DECRYPT_FAILED', { cause: new Error('no entry belongs to a key of the tenant') });
    }
    const name = dekName(tenant, first.service, { entriesBytes, context });
    const hit = this.#options.cache.get(name);
    if (hit === undefined) return { owned, name };
    this.#asked(request, 'hit');
    return new KeyInUse(hit.lease, { remainingMs: hit.remainingMs, current: ring.current });
  }

  /** A fresh data key straight from the key service, kept for the Unwrap that is likely to follow. */
  async fresh(request: KeyRequest, length: number): Promise<KeyInUse> {
    const { tenant, context } = request;
    const { current } = tenant.ring ?? (await this.#ring(tenant));
    this.#freshCount += 1;
    // A flight of its own: nobody joins it, and a caller who gives up leaves nothing behind that is not wiped.
    const flight = `fresh ${this.#freshCount}`;
    const lease = await this.#flights.join(flight, () => this.#generate(current, context, length), request.signal);
    this.#keepNew(request, current, lease);
    return new KeyInUse(lease, { remainingMs: tenant.settings.cacheTtlMs, current });
  }

  /** Wraps a data key under the tenant's current key. Nobody shares the call, so the caller's signal ends it. */
  async wrap(request: KeyRequest, dataKey: DataKey): Promise<{ entry: EncryptedDataKey; service: KeyService }> {
    const { context, signal } = request;
    const service = (request.tenant.ring ?? (await this.#ring(request.tenant))).current;
    try {
      return { entry: await service.wrap({ plaintext: dataKey.secret, context, signal }), service };
    } catch (error) {
      signal.throwIfAborted();
      throw kmsFailure(error);
    }
  }

  async #generate(service: KeyService, context: EncryptionContext, length: number): Promise<Lease<TenantKey>> {
    const start = this.#now();
    const { plaintext, entry } = await service
      .generate({ length, context, signal: this.#options.lifetime })
      .catch(asPublicFailure);
    this.#options.observer.dekGenerated('kms', (this.#now() - start) / 1000);
    const dataKey = DataKey.adopt(plaintext);
    const info = service.describe(entry);
    return Lease.own(new TenantKey({ dataKey, entries: [entry], info, bornAt: this.#now() }));
  }

  async #unwrapFirst(
    owned: readonly OwnedEntry[],
    { entries, context, current }: Unwrapping,
  ): Promise<Lease<TenantKey>> {
    let unfit: unknown;
    let unanswered: unknown;
    for (const { service, entry } of owned) {
      try {
        const secret = await service.unwrap({ entry, context, signal: this.#options.lifetime });
        const dataKey = DataKey.adopt(secret);
        const info = service.describe(entry);
        return Lease.own(new TenantKey({ dataKey, entries: ownCopies(entries), info, bornAt: this.#now() }));
      } catch (error) {
        // What the current key's service says is decisive; a retired key that is gone must not hide a living entry.
        const isUnfit = error instanceof KmsError && error.fault.kind === 'data';
        if (service === current && !isUnfit) throw kmsFailure(error);
        if (isUnfit) unfit = error;
        else unanswered = error;
      }
    }
    throw kmsFailure(unanswered ?? unfit);
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

  /** Keeps a key that the key service has just made for the opening that is likely to follow. */
  #keepNew({ tenant, context }: KeyRequest, service: KeyService, made: Lease<TenantKey>): void {
    const entriesBytes = serializeEntries(made.value.entries);
    this.#keep(tenant, dekName(tenant, service, { entriesBytes, context }), made);
  }

  /** A tenant that was replaced meanwhile may have had a key that is no longer configured: that one is not kept. */
  #keep(tenant: Tenant, name: EntryName, lease: Lease<TenantKey>): void {
    if (tenant.isServed) this.#options.cache.put(name, { lease: lease.share(), bytes: lease.value.bytes });
  }

  #mayServe(key: TenantKey, tenant: Tenant): boolean {
    return key.uses < maxUsesOfRoot && this.#now() - key.bornAt < tenant.settings.rotationMs;
  }
}

function rootName(tenant: Tenant, service: KeyService, context: EncryptionContext): EntryName {
  const key = cacheKey(Buffer.from(tenant.id), Buffer.from(service.keyId), context.serialized);
  return { tenant: tenant.id, space: 'root', key };
}

function dekName(
  tenant: Tenant,
  service: KeyService,
  { entriesBytes, context }: { entriesBytes: Buffer; context: EncryptionContext },
): EntryName {
  const key = cacheKey(Buffer.from(tenant.id), Buffer.from(service.keyId), entriesBytes, context.serialized);
  return { tenant: tenant.id, space: 'dek', key };
}

/** Entries that were read are views of a whole message: a cached key must not keep that alive. */
function ownCopies(entries: readonly EncryptedDataKey[]): EncryptedDataKey[] {
  return entries.map(({ providerId, providerInfo, ciphertext }) => ({
    providerId: Buffer.from(providerId),
    providerInfo: Buffer.from(providerInfo),
    ciphertext: Buffer.from(ciphertext),
  }));
}

function asPublicFailure(error: unknown): never {
  throw kmsFailure(error);
}
