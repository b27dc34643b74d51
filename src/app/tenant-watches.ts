/** The watches of all tenants' keys: they outlive a change of a tenant's file, and take up what an earlier process knew. */
import type { Clock } from '../base/clock.ts';
import type { TenantId } from '../base/ids.ts';
import type { TenantConfig } from '../config/tenant-file.ts';
import { type KeyConfig, keyIdOf } from '../kms/key-config.ts';
import { type KeyChange, KeyWatch } from '../tenants/key-watch.ts';
import type { Refusal } from '../tenants/refusal.ts';
import { Samples } from '../tenants/samples.ts';
import type { KeyWatches } from '../tenants/tenant.ts';

/** A key that was refused when it was written down. */
export interface KnownRefusal {
  readonly tenantId: TenantId;
  readonly keyId: string;
  readonly refusal: Refusal;
  readonly samples: Samples;
}

export interface TenantWatchesOptions {
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** What an earlier process knew. */
  readonly known: readonly KnownRefusal[];
  /** Whether data keys of a key are cached. */
  readonly isHolding: (tenantId: TenantId, watch: KeyWatch) => boolean;
  readonly onChange: (tenantId: TenantId, watch: KeyWatch, change: KeyChange) => void;
}

export class TenantWatches implements Disposable {
  readonly #options: TenantWatchesOptions;
  readonly #tenants = new Map<TenantId, Map<string, KeyWatch>>();
  /** What an earlier process knew of keys that no tenant has named yet: its file may be bad for now. */
  #known: readonly KnownRefusal[];

  constructor(options: TenantWatchesOptions) {
    this.#options = options;
    this.#known = options.known;
  }

  /** The watches of the keys that a tenant's file names; those of keys that it names no longer are gone. */
  of(config: TenantConfig): KeyWatches {
    const before = this.#tenants.get(config.tenantId);
    const current = this.#watch(config, config.key);
    const byKeyId = new Map([[current.keyId, current]]);
    for (const key of [...config.replicas, ...config.retired]) byKeyId.set(keyIdOf(key), this.#watch(config, key));
    for (const [keyId, watch] of before ?? []) if (!byKeyId.has(keyId)) this.#letGo(config.tenantId, watch);
    this.#tenants.set(config.tenantId, byKeyId);
    return { current, byKeyId };
  }

  /** A tenant is served no longer. What its customer refused stays refused, should its file come back. */
  remove(id: TenantId): void {
    for (const watch of this.#tenants.get(id)?.values() ?? []) this.#letGo(id, watch);
    this.#tenants.delete(id);
  }

  /** The keys that are refused now. */
  refused(): KnownRefusal[] {
    const found: KnownRefusal[] = [...this.#known];
    for (const [tenantId, watches] of this.#tenants) {
      for (const watch of watches.values()) found.push(...knownOf(tenantId, watch));
    }
    return found;
  }

  [Symbol.dispose](): void {
    for (const id of [...this.#tenants.keys()]) this.remove(id);
  }

  #letGo(tenantId: TenantId, watch: KeyWatch): void {
    this.#known = [...this.#known, ...knownOf(tenantId, watch)];
    watch[Symbol.dispose]();
  }

  #watch({ tenantId, canary, limits }: TenantConfig, key: KeyConfig): KeyWatch {
    const { clock, random, isHolding, onChange } = this.#options;
    const keyId = keyIdOf(key);
    const terms = { intervalMs: canary.intervalSeconds * 1000, maxUnprovenMs: limits.maxUnprovenSeconds * 1000 };
    const existing = this.#tenants.get(tenantId)?.get(keyId);
    if (existing !== undefined) {
      existing.terms = terms;
      return existing;
    }
    const earlier = this.#known.find((entry) => entry.tenantId === tenantId && entry.keyId === keyId);
    this.#known = this.#known.filter((entry) => entry !== earlier);
    const watch: KeyWatch = new KeyWatch({
      ...{ provider: key.provider, keyId, clock, random, terms },
      isHolding: () => isHolding(tenantId, watch),
      onChange: (change) => onChange(tenantId, watch, change),
      samples: earlier?.samples ?? new Samples({ wrapped: [] }),
      ...(earlier && { refusal: earlier.refusal }),
    });
    return watch;
  }
}

/** What is to be remembered of a key: its refusal, if it is refused. */
function knownOf(tenantId: TenantId, { keyId, state, samples }: KeyWatch): KnownRefusal[] {
  if (state.kind !== 'refused') return [];
  return [{ tenantId, keyId, refusal: state.refusal, samples }];
}
