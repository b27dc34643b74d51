/** From tenant files to tenants that are served, at the start and at every change; and what a customer's no does. */
import type { Clock, Timer } from '../base/clock.ts';
import type { TenantId } from '../base/ids.ts';
import type { TenantConfig } from '../config/tenant-file.ts';
import type { KeyCache } from '../dek/key-cache.ts';
import { type KeyConfig, keyIdOf, materialIdOf } from '../kms/key-config.ts';
import type { KeyRing } from '../kms/key-ring.ts';
import type { KmsCall } from '../kms/observed.ts';
import type { SegregationSetting } from '../kms/segregation.ts';
import type { TenantKey } from '../operations/tenant-key.ts';
import type { KeyChange, KeyWatch } from '../tenants/key-watch.ts';
import type { TenantRegistry } from '../tenants/registry.ts';
import { type Contact, type KeyWatches, Tenant } from '../tenants/tenant.ts';
import type { KeyOpener } from './key-services.ts';
import { type Circuit, openRing } from './open-ring.ts';
import { type KnownRefusal, TenantWatches } from './tenant-watches.ts';

const dayMs = 24 * 60 * 60 * 1000;

/** How long a tenant that was replaced may still serve calls that began before, in milliseconds. */
const lingerMs = 60_000;
/** Between two attempts to open keys that are refused: until they are open nobody can ask whether they still are. */
const reopenMs = 30_000;

/** Something happened to a key of a tenant; what was cached under it is wiped already where it was a no. */
export interface TenantKeyChange {
  readonly tenant: Tenant;
  readonly watch: KeyWatch;
  readonly change: KeyChange;
  /** How many data keys went. */
  readonly wiped: number;
}

export interface TenantSetOptions extends SegregationSetting {
  readonly registry: TenantRegistry;
  readonly cache: KeyCache<TenantKey>;
  readonly services: KeyOpener;
  readonly clock: Clock;
  /** In [0, 1). */
  readonly random: () => number;
  /** The refusals that an earlier process heard. */
  readonly known: readonly KnownRefusal[];
  /** Told of every call to a key service. */
  readonly onKmsCall: (tenant: TenantId, call: KmsCall) => void;
  /** Told when a key's service has gone silent, and when it answers again. */
  readonly onCircuit: (circuit: Circuit, state: 'open' | 'closed') => void;
  /** Told when a key is found to be none that its environment may use, with the reason; and when it is one. */
  readonly onSegregation: (circuit: Circuit, problem: string | undefined) => void;
  /** Told of every tenant that is served from now on, or no longer. */
  readonly onChange: (tenant: Tenant, change: 'served' | 'removed') => void;
  /** Told when a key is refused, or may be used again. */
  readonly onKeyChange: (change: TenantKeyChange) => void;
}

export class TenantSet implements AsyncDisposable {
  readonly #options: TenantSetOptions;
  readonly #watches: TenantWatches;
  /** Tenants that were replaced or removed and may still have calls under way. */
  readonly #leaving = new Map<Tenant, Timer>();
  /** Circuits that are open now, of the tenants that are served. */
  readonly #openCircuits = new Map<TenantId, Set<Circuit>>();
  readonly #reopening = new Map<Tenant, Timer>();

  constructor(options: TenantSetOptions) {
    this.#options = options;
    this.#watches = new TenantWatches({
      ...options,
      isHolding: (id, watch) => this.#isHolding(id, watch),
      onChange: (id, watch, change) => this.#keyChanged(id, watch, change),
    });
  }

  /** The keys whose service gives no answer. */
  openCircuits(): Circuit[] {
    return [...this.#openCircuits.values()].flatMap((circuits) => [...circuits]);
  }

  /** The keys that are refused now. */
  refused(): KnownRefusal[] {
    return this.#watches.refused();
  }

  /** Serves a tenant as its file says from now on. What is cached under the same keys stays. */
  put(config: TenantConfig): void {
    const { registry, cache, onChange } = this.#options;
    const ids = keysOf(config).map(keyIdOf);
    const before = registry.find(config.tenantId);
    // Keys that are no longer configured must not answer from the cache.
    if (before?.keyIds.some((id) => !ids.includes(id))) cache.clear(config.tenantId, 'removed');
    const tenant = this.#build(config, before);
    const { cacheTtlMs: ttlMs, cacheMaxEntries: maxEntries } = tenant.settings;
    cache.admit(tenant.id, { ttlMs, maxEntries, callsPerSecond: config.limits.kmsCallsPerSecond });
    // A key that was refused in another part says no to the whole tenant now.
    if (tenant.current.state.kind === 'refused') cache.clear(tenant.id, 'refused');
    const older = registry.put(tenant);
    if (older !== undefined) this.#retire(older);
    // What the older one has open is handed on before it goes: a login that nobody uses ends, and a secret id that is
    // good for one login would be needed again. A failure shows with the first call, which tries again.
    if (older?.isInUse || tenant.isAnyKeyRefused) this.#openAhead(tenant);
    onChange(tenant, 'served');
  }

  /** Stops serving a tenant and wipes what was cached for it. */
  remove(id: TenantId): void {
    const { registry, cache, onChange } = this.#options;
    const tenant = registry.remove(id);
    cache.remove(id);
    this.#openCircuits.delete(id);
    this.#watches.remove(id);
    if (tenant === undefined) return;
    this.#retire(tenant);
    onChange(tenant, 'removed');
  }

  #build(config: TenantConfig, before: Tenant | undefined): Tenant {
    const contact: Contact = before?.contact ?? {};
    const watches = this.#watches.of(config);
    const tenant: Tenant = new Tenant({
      id: config.tenantId,
      provider: config.key.provider,
      keyIds: [keyIdOf(config.key), ...[...config.replicas, ...config.retired].map(keyIdOf)],
      materialIds: keysOf(config).map(materialIdOf),
      replicas: config.replicas.map((key) => ({ provider: key.provider, keyId: keyIdOf(key) })),
      settings: {
        cacheTtlMs: config.cache.ttlSeconds * 1000,
        cacheMaxEntries: config.cache.maxEntries,
        warmStart: config.cache.warmStart,
        rotationMs: config.rotation.enabled ? config.rotation.intervalDays * dayMs : Number.POSITIVE_INFINITY,
        dekSource: config.dekSource,
        foreign: config.decrypt.foreign,
        suites: config.decrypt.suites,
        audit: { logAll: config.audit.logAllOperations, alertOnFailures: config.audit.alertOnFailures },
      },
      contact,
      watches,
      ...(before && { figures: before.figures }),
      openKeys: this.#opener(config, { contact, watches, isServed: () => tenant.isServed }),
    });
    return tenant;
  }

  #opener(
    config: TenantConfig,
    { contact, watches, isServed }: { contact: Contact; watches: KeyWatches; isServed: () => boolean },
  ) {
    const { services, onKmsCall, onCircuit, onSegregation, clock, environment, segregation } = this.#options;
    const circuits = new Set<Circuit>();
    this.#openCircuits.set(config.tenantId, circuits);
    return (): Promise<KeyRing> =>
      openRing(config, {
        ...{ services, clock, watches, isServed, environment, segregation, onSegregation },
        report(call) {
          if (call.outcome === 'ok') contact.lastSuccess = clock.now();
          if (call.outcome === 'refusal') contact.lastRefusal = clock.now();
          onKmsCall(config.tenantId, call);
        },
        onCircuit(circuit, state) {
          if (state === 'open') circuits.add(circuit);
          else circuits.delete(circuit);
          onCircuit(circuit, state);
        },
      });
  }

  #isHolding(id: TenantId, watch: KeyWatch): boolean {
    const { registry, cache } = this.#options;
    // The current key and its replicas wrap all that is new; a retired key holds what it opened.
    if (registry.find(id)?.isWriter(watch.keyId)) return cache.count(id) > 0;
    return cache.some(id, (key) => key.openedBy === watch);
  }

  /** A no wipes before anything else happens: the current key's all of the tenant's, another's what it opened. */
  #keyChanged(id: TenantId, watch: KeyWatch, change: KeyChange): void {
    const { registry, cache, onKeyChange } = this.#options;
    const tenant = registry.find(id);
    if (tenant === undefined) return;
    const isTenants = watch === tenant.current;
    const wiped =
      change.kind === 'refused' ? cache.clear(id, 'refused', (key) => isTenants || key.openedBy === watch) : 0;
    tenant.keysChanged();
    // Until its keys are open nobody can ask whether they are still refused.
    if (change.kind === 'refused' && tenant.ring === undefined && !this.#reopening.has(tenant)) this.#openAhead(tenant);
    onKeyChange({ tenant, watch, change, wiped });
  }

  /** Opens a tenant's keys that nobody has asked for; again and again where they are refused, to hear of a yes. */
  #openAhead(tenant: Tenant): void {
    this.#reopening.delete(tenant);
    tenant.keys().catch(() => {
      if (!tenant.isServed || !tenant.isAnyKeyRefused) return;
      this.#reopening.set(
        tenant,
        this.#options.clock.after(reopenMs, () => this.#openAhead(tenant)),
      );
    });
  }

  #retire(tenant: Tenant): void {
    tenant.leave();
    this.#reopening.get(tenant)?.[Symbol.dispose]();
    this.#reopening.delete(tenant);
    const timer = this.#options.clock.after(lingerMs, () => {
      this.#leaving.delete(tenant);
      void tenant[Symbol.asyncDispose]();
    });
    this.#leaving.set(tenant, timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const leaving = [...this.#leaving];
    this.#leaving.clear();
    for (const timer of [...leaving.map(([, timer]) => timer), ...this.#reopening.values()]) timer[Symbol.dispose]();
    this.#reopening.clear();
    this.#watches[Symbol.dispose]();
    await Promise.all(leaving.map(([tenant]) => tenant[Symbol.asyncDispose]()));
  }
}

/** All keys of a tenant, in the order in which they are tried. */
function keysOf({ key, replicas, retired }: TenantConfig): readonly KeyConfig[] {
  return [key, ...replicas, ...retired];
}
