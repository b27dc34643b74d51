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
import type { KeyCache, Space } from '../dek/key-cache.ts';
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
    const service = (tenant.ring ?? (await this.#ring(tenant))).current;
    const name = cacheKey(Buffer.from(tenant.id), Buffer.from(service.keyId), context.serialized);
    const cached = this.#cached(request, 'root', name);
    if (cached !== undefined) {
      if (this.#mayServe(cached.key, tenant)) {
        cached.key.uses += 1;
        return cached;
      }
      cached[Symbol.dispose]();
      this.#options.cache.drop(tenant.id, 'root', name, 'used_up');
    }
    const made = await this.#fetch(request, `root ${name}`, async () => {
      const lease = await this.#generate(service, request.context, rootBytes);
      this.#keep(tenant.id, 'root', name, lease);
      this.#keep(tenant.id, 'dek', nameOfEntries(tenant, service, lease.value.entries, context), lease);
      return lease;
    });
    made.key.uses += 1;
    return made;
  }

  /**
   * The key that one of `entries` wraps. Entries of keys that are not the tenant's are skipped without a call;
   * where none is left, or none opens, it throws `DECRYPT_FAILED`.
   */
  async open(request: KeyRequest, entries: readonly EncryptedDataKey[]): Promise<KeyInUse> {
    const { tenant, context } = request;
    const ring = tenant.ring ?? (await this.#ring(tenant));
    const owned = ring.owned(entries);
    const first = owned[0];
    if (first === undefined) {
      throw new KeyproxyError('DECRYPT_FAILED', { cause: new Error('no entry belongs to a key of the tenant') });
    }
    const name = nameOfEntries(tenant, first.service, entries, context);
    const cached = this.#cached(request, 'dek', name);
    if (cached !== undefined) return cached;
    return this.#fetch(request, `dek ${name}`, async () => {
      const lease = await this.#unwrapFirst(owned, entries, context, ring.current);
      this.#keep(tenant.id, 'dek', name, lease);
      return lease;
    });
  }

  /** A fresh data key straight from the key service, kept for the Unwrap that is likely to follow. */
  async fresh(request: KeyRequest, length: number): Promise<KeyInUse> {
    const { tenant, context } = request;
    const service = (tenant.ring ?? (await this.#ring(tenant))).current;
    this.#freshCount += 1;
    const name = `fresh ${this.#freshCount}`;
    const lease = await this.#flights.join(name, () => this.#generate(service, context, length), request.signal);
    this.#keep(tenant.id, 'dek', nameOfEntries(tenant, service, lease.value.entries, context), lease);
    return new KeyInUse(lease, tenant.settings.cacheTtlMs);
  }

  /** Wraps a data key under the tenant's current key. */
  async wrap(request: KeyRequest, dataKey: DataKey): Promise<{ entry: EncryptedDataKey; service: KeyService }> {
    const service = (request.tenant.ring ?? (await this.#ring(request.tenant))).current;
    const signal = AbortSignal.any([request.signal, this.#options.lifetime]);
    const entry = await service
      .wrap({ plaintext: dataKey.secret, context: request.context, signal })
      .catch(asPublicFailure);
    return { entry, service };
  }

  async #generate(service: KeyService, context: EncryptionContext, length: number): Promise<Lease<TenantKey>> {
    const start = this.#now();
    const { plaintext, entry } = await service
      .generate({ length, context, signal: this.#options.lifetime })
      .catch(asPublicFailure);
    this.#options.observer.dekGenerated('kms', (this.#now() - start) / 1000);
    const dataKey = DataKey.adopt(plaintext);
    const info = service.describe(entry);
    return Lease.own(new TenantKey({ dataKey, entries: [entry], info, isCurrent: true, bornAt: this.#now() }));
  }

  async #unwrapFirst(
    owned: readonly OwnedEntry[],
    entries: readonly EncryptedDataKey[],
    context: EncryptionContext,
    current: KeyService,
  ): Promise<Lease<TenantKey>> {
    let last: unknown;
    for (const { service, entry } of owned) {
      try {
        const secret = await service.unwrap({ entry, context, signal: this.#options.lifetime });
        const dataKey = DataKey.adopt(secret);
        const info = service.describe(entry);
        return Lease.own(
          new TenantKey({ dataKey, entries, info, isCurrent: service === current, bornAt: this.#now() }),
        );
      } catch (error) {
        if (!(error instanceof KmsError) || error.fault.kind !== 'data') throw kmsFailure(error);
        last = error;
      }
    }
    throw kmsFailure(last);
  }

  #now(): number {
    return this.#options.clock.monotonic();
  }

  #ring(tenant: Tenant): Promise<KeyRing> {
    return tenant.keys().catch(asPublicFailure);
  }

  #cached(request: KeyRequest, space: Space, name: string): KeyInUse | undefined {
    const hit = this.#options.cache.get(request.tenant.id, space, name);
    if (hit === undefined) return undefined;
    this.#asked(request, 'hit');
    return new KeyInUse(hit.lease, hit.remainingMs);
  }

  async #fetch(request: KeyRequest, name: string, work: () => Promise<Lease<TenantKey>>): Promise<KeyInUse> {
    this.#asked(request, this.#flights.has(name) ? 'coalesced' : 'miss');
    const lease = await this.#flights.join(name, work, request.signal);
    return new KeyInUse(lease, request.tenant.settings.cacheTtlMs);
  }

  #asked(request: KeyRequest, result: CacheResult): void {
    if (result === 'miss') request.tenant.figures.misses += 1;
    else request.tenant.figures.hits += 1;
    this.#options.observer.cacheAsked(request.tenant.id, request.operation, result);
  }

  #keep(tenant: TenantId, space: Space, name: string, lease: Lease<TenantKey>): void {
    this.#options.cache.put(tenant, space, name, lease.share(), lease.value.bytes);
  }

  #mayServe(key: TenantKey, tenant: Tenant): boolean {
    return key.uses < maxUsesOfRoot && this.#now() - key.bornAt < tenant.settings.rotationMs;
  }
}

function nameOfEntries(
  tenant: Tenant,
  service: KeyService,
  entries: readonly EncryptedDataKey[],
  context: EncryptionContext,
): string {
  return cacheKey(Buffer.from(tenant.id), Buffer.from(service.keyId), serializeEntries(entries), context.serialized);
}

function asPublicFailure(error: unknown): never {
  throw kmsFailure(error);
}
