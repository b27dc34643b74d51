/** Where keys come from that are not in the cache: the tenant's key services. What comes late, after a no, is wiped. */
import type { Clock } from '../base/clock.ts';
import { copyOfEntry, type EncryptedDataKey } from '../base/encrypted-data-key.ts';
import type { EncryptionContext } from '../base/encryption-context.ts';
import type { SecretBytes } from '../base/secret.ts';
import { Lease } from '../dek/lease.ts';
import { DataKey } from '../envelope/data-key.ts';
import type { KeyRing, OwnedEntry } from '../kms/key-ring.ts';
import type { KeyInfo, KeyService } from '../kms/key-service.ts';
import type { ProviderNote } from '../kms/provider-note.ts';
import type { Permit } from '../tenants/permit.ts';
import type { Tenant } from '../tenants/tenant.ts';
import { generateForAll, wrapForAll } from './all-writers.ts';
import { asPublicFailure, kmsFailure } from './failures.ts';
import { firstToOpen } from './first-to-open.ts';
import type { EngineObserver } from './observer.ts';
import { TenantKey } from './tenant-key.ts';

export interface KeySourceOptions {
  readonly clock: Clock;
  readonly observer: EngineObserver;
  /** Aborted when the daemon ends: stops calls to key services that no caller waits for any more. */
  readonly lifetime: AbortSignal;
}

/** Whose keys, and for what. */
export interface Whose {
  readonly tenant: Tenant;
  readonly ring: KeyRing;
  readonly context: EncryptionContext;
  /** Takes how the key service calls the request; absent where nobody records it. */
  readonly note?: ProviderNote | undefined;
}

interface Fetched {
  readonly plaintext: SecretBytes;
  readonly entries: readonly EncryptedDataKey[];
  readonly info: KeyInfo;
  readonly service: KeyService;
}

export class KeySource {
  readonly #options: KeySourceOptions;

  constructor(options: KeySourceOptions) {
    this.#options = options;
  }

  /** A new data key under all keys of the ring. Throws the public failure. */
  async generate(whose: Whose, length: number): Promise<Lease<TenantKey>> {
    const { observer, lifetime: signal } = this.#options;
    const { tenant, ring, context, note } = whose;
    const [start, permit] = [this.#now(), tenant.permit()];
    const made = await generateForAll(ring, { length, context, signal, note }).catch(asPublicFailure);
    observer.dekGenerated('kms', (this.#now() - start) / 1000);
    const { service, entries } = made;
    if (service !== ring.current) observer.failedOver(tenant.id, service.provider);
    return this.#key(whose, { ...made, info: infoOf(service, entries) }, permit);
  }

  /** The key that one of `owned` wraps, with all its wrapped forms. Throws the public failure. */
  async unwrap(
    whose: Whose,
    owned: readonly OwnedEntry[],
    entries: readonly EncryptedDataKey[],
  ): Promise<Lease<TenantKey>> {
    const { observer, lifetime: signal } = this.#options;
    const { tenant, ring, context, note } = whose;
    const permit = tenant.permit();
    const { plaintext, by, failedOver } = await firstToOpen(ring, owned, { context, signal, note });
    if (failedOver) observer.failedOver(tenant.id, by.service.provider);
    const { service } = by;
    return this.#key(whose, { plaintext, entries, info: service.describe(by.entry), service }, permit);
  }

  /** Wraps a key anew, for all keys of the ring. Nobody shares the call, so the caller's signal ends it. */
  async rewrap(
    { ring, context, note }: Whose,
    key: TenantKey,
    signal: AbortSignal,
  ): Promise<{ entries: readonly EncryptedDataKey[]; info: KeyInfo }> {
    try {
      const known = key.entries;
      const { entries, service } = await wrapForAll(ring, {
        plaintext: key.dataKey.secret,
        ...{ known, context, signal, note },
      });
      return { entries, info: infoOf(service, entries) };
    } catch (error) {
      signal.throwIfAborted();
      throw kmsFailure(error);
    }
  }

  #key({ tenant, context, note }: Whose, fetched: Fetched, permit: Permit): Lease<TenantKey> {
    const { info, service } = fetched;
    const openedBy = tenant.watchOf(service.keyId);
    const dataKey = DataKey.adopt(fetched.plaintext);
    const entries = fetched.entries.map(copyOfEntry);
    const parts = { dataKey, entries, context, info, openedBy, permit: permit.for(tenant.current, openedBy) };
    const lease = Lease.own(new TenantKey({ ...parts, bornAt: this.#now(), requestId: note?.requestId }));
    try {
      parts.permit.check();
      return lease;
    } catch (error) {
      lease[Symbol.dispose]();
      throw kmsFailure(error);
    }
  }

  #now(): number {
    return this.#options.clock.monotonic();
  }
}

/** What to tell of a key by its first entry, which `service` wrapped. */
function infoOf(service: KeyService, [first]: readonly EncryptedDataKey[]): KeyInfo {
  if (first === undefined) throw new Error('a key was wrapped for nobody');
  return service.describe(first);
}
