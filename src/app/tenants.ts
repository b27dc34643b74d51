/** From tenant files to tenants that are served, at the start and at every change. */
import type { Clock, Timer } from '../base/clock.ts';
import type { TenantId } from '../base/ids.ts';
import type { TenantConfig } from '../config/tenant-file.ts';
import type { KeyCache } from '../dek/key-cache.ts';
import { type KeyConfig, keyIdOf, materialIdOf } from '../kms/key-config.ts';
import { KeyRing } from '../kms/key-ring.ts';
import type { KmsCall } from '../kms/observed.ts';
import type { TenantKey } from '../operations/tenant-key.ts';
import type { TenantRegistry } from '../tenants/registry.ts';
import { type Contact, Tenant } from '../tenants/tenant.ts';
import type { KeyServices } from './key-services.ts';

const dayMs = 24 * 60 * 60 * 1000;

/** How long a tenant that was replaced may still serve calls that began before, in milliseconds. */
const lingerMs = 60_000;

/** The calls to one key of a tenant, which fail at once while its service gives no answer. */
export interface Circuit {
  readonly tenant: TenantId;
  /** The part of the key: `current`, `replica 1`, `retired 1` and so on. */
  readonly key: string;
  readonly provider: string;
}

export interface TenantSetOptions {
  readonly registry: TenantRegistry;
  readonly cache: KeyCache<TenantKey>;
  readonly services: KeyServices;
  readonly clock: Clock;
  /** Told of every call to a key service. */
  readonly onKmsCall: (tenant: TenantId, call: KmsCall) => void;
  /** Told when a key's service has gone silent, and when it answers again. */
  readonly onCircuit: (circuit: Circuit, state: 'open' | 'closed') => void;
  /** Told of every tenant that is served from now on, or no longer. */
  readonly onChange: (tenant: Tenant, change: 'served' | 'removed') => void;
}

export class TenantSet implements AsyncDisposable {
  readonly #options: TenantSetOptions;
  /** Tenants that were replaced or removed and may still have calls under way. */
  readonly #leaving = new Map<Tenant, Timer>();
  /** Circuits that are open now, of the tenants that are served. */
  readonly #openCircuits = new Map<TenantId, Set<Circuit>>();

  constructor(options: TenantSetOptions) {
    this.#options = options;
  }

  /** The keys whose service gives no answer. */
  openCircuits(): Circuit[] {
    return [...this.#openCircuits.values()].flatMap((circuits) => [...circuits]);
  }

  /** Serves a tenant as its file says from now on. What is cached under the same keys stays. */
  put(config: TenantConfig): void {
    const { registry, cache, onChange } = this.#options;
    const ids = keysOf(config).map(keyIdOf);
    const before = registry.find(config.tenantId);
    // Keys that are no longer configured must not answer from the cache.
    if (before?.keyIds.some((id) => !ids.includes(id))) cache.clear(config.tenantId, 'removed');
    const tenant = this.#build(config, before);
    cache.admit(tenant.id, { ttlMs: tenant.settings.cacheTtlMs, maxEntries: tenant.settings.cacheMaxEntries });
    const older = registry.put(tenant);
    if (older !== undefined) this.#retire(older);
    // What the older one has open is handed on before it goes: a login that nobody uses ends, and a secret id that is
    // good for one login would be needed again. A failure shows with the first call, which tries again.
    if (older?.isInUse) tenant.keys().catch(() => undefined);
    onChange(tenant, 'served');
  }

  /** Stops serving a tenant and wipes what was cached for it. */
  remove(id: TenantId): void {
    const { registry, cache, onChange } = this.#options;
    const tenant = registry.remove(id);
    cache.remove(id);
    this.#openCircuits.delete(id);
    if (tenant === undefined) return;
    this.#retire(tenant);
    onChange(tenant, 'removed');
  }

  #build(config: TenantConfig, before: Tenant | undefined): Tenant {
    const contact: Contact = before?.contact ?? {};
    const circuits = new Set<Circuit>();
    this.#openCircuits.set(config.tenantId, circuits);
    return new Tenant({
      id: config.tenantId,
      provider: config.key.provider,
      keyIds: [keyIdOf(config.key), ...[...config.replicas, ...config.retired].map(keyIdOf)],
      materialIds: keysOf(config).map(materialIdOf),
      replicas: config.replicas.map((key) => ({ provider: key.provider, keyId: keyIdOf(key) })),
      settings: {
        cacheTtlMs: config.cache.ttlSeconds * 1000,
        cacheMaxEntries: config.cache.maxEntries,
        rotationMs: config.rotation.enabled ? config.rotation.intervalDays * dayMs : Number.POSITIVE_INFINITY,
        dekSource: config.dekSource,
        foreign: config.decrypt.foreign,
        suites: config.decrypt.suites,
      },
      contact,
      ...(before && { figures: before.figures }),
      openKeys: () => this.#openKeys(config, contact, circuits),
    });
  }

  async #openKeys(config: TenantConfig, contact: Contact, circuits: Set<Circuit>): Promise<KeyRing> {
    const { services, onKmsCall, onCircuit, clock } = this.#options;
    const report = (call: KmsCall) => {
      if (call.outcome === 'ok') contact.lastSuccess = clock.now();
      if (call.outcome === 'refusal') contact.lastRefusal = clock.now();
      onKmsCall(config.tenantId, call);
    };
    const use = {
      tenantId: config.tenantId,
      timeoutMs: config.limits.kmsTimeoutMs,
      proofMs: config.canary.intervalSeconds * 1000,
      report,
    };
    await using opened = new AsyncDisposableStack();
    const open = async (key: KeyConfig, part: string) => {
      const circuit: Circuit = { tenant: config.tenantId, key: part, provider: key.provider };
      const changed = (state: 'open' | 'closed') => {
        if (state === 'open') circuits.add(circuit);
        else circuits.delete(circuit);
        onCircuit(circuit, state);
      };
      return opened.use(await services.open(key, { ...use, onCircuit: changed }));
    };
    const numbered = (keys: readonly KeyConfig[], part: string) =>
      Array.fromAsync(keys, (key, index) => open(key, `${part} ${index + 1}`));
    const current = await open(config.key, 'current');
    const replicas = await numbered(config.replicas, 'replica');
    const retired = await numbered(config.retired, 'retired');
    opened.move();
    return new KeyRing({ current, replicas, retired });
  }

  #retire(tenant: Tenant): void {
    tenant.leave();
    const timer = this.#options.clock.after(lingerMs, () => {
      this.#leaving.delete(tenant);
      void tenant[Symbol.asyncDispose]();
    });
    this.#leaving.set(tenant, timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const leaving = [...this.#leaving];
    this.#leaving.clear();
    for (const [, timer] of leaving) timer[Symbol.dispose]();
    await Promise.all(leaving.map(([tenant]) => tenant[Symbol.asyncDispose]()));
  }
}

/** All keys of a tenant, in the order in which they are tried. */
function keysOf({ key, replicas, retired }: TenantConfig): readonly KeyConfig[] {
  return [key, ...replicas, ...retired];
}
