/** One tenant as the engine sees it: its rules, its keys, and what is known of its key service. */
import { KeyproxyError, type Reason } from '../base/errors.ts';
import type { TenantId } from '../base/ids.ts';
import type { KeyRing } from '../kms/key-ring.ts';
import type { ProviderName } from '../kms/key-service.ts';
import type { KeyWatch } from './key-watch.ts';
import { Permit } from './permit.ts';

/** Whether a tenant, or one of its keys, is served, and where something is wrong, the reason. */
export type TenantState =
  | { readonly kind: 'active'; readonly reason?: Reason }
  | { readonly kind: 'refused'; readonly reason: Reason };

/** The part of a tenant's file that the engine acts on. */
export interface TenantSettings {
  /** Longest life of an unwrapped key in memory, in milliseconds; 0 turns caching off. */
  readonly cacheTtlMs: number;
  /** Bound on cached keys of each kind. */
  readonly cacheMaxEntries: number;
  /** Longest use of one root key, in milliseconds; Infinity where rotation is off. */
  readonly rotationMs: number;
  /** Whether the keys that were in use before a restart are fetched again after it. */
  readonly warmStart: boolean;
  /** Where GenerateDEK takes keys from when the caller does not say. */
  readonly dekSource: 'derived' | 'kms';
  /** Whether messages that some official SDK wrote, with no tenant in them, may be opened. */
  readonly foreign: boolean;
  /** Which algorithm suites are read. */
  readonly suites: 'committing' | 'all';
  /** `logAll`: operations that succeed are recorded too. `alertOnFailures`: somebody is told of those that fail. */
  readonly audit: { readonly logAll: boolean; readonly alertOnFailures: boolean };
}

/** The keys of a tenant as they are watched; they outlive a change of its file. */
export interface KeyWatches {
  /** Of the key that new data goes under: its no is one to the tenant. */
  readonly current: KeyWatch;
  /** All of them by their full names. */
  readonly byKeyId: ReadonlyMap<string, KeyWatch>;
}

/** What a tenant's key service last said, in milliseconds since 1970. */
export interface Contact {
  lastSuccess?: number;
  lastRefusal?: number;
}

/** How often the cache could answer for a tenant. */
export interface CacheFigures {
  hits: number;
  misses: number;
}

/** A replica by its name. */
export interface ReplicaName {
  readonly provider: ProviderName;
  readonly keyId: string;
}

export interface TenantOptions {
  readonly id: TenantId;
  readonly settings: TenantSettings;
  /** The kind of key service that new data's key lives in. */
  readonly provider: ProviderName;
  /** Full names of the tenant's keys; new data goes under the first. */
  readonly keyIds: readonly [string, ...string[]];
  /** What wraps under them: the same for keys that open each other's wraps, as related multi-Region keys do. */
  readonly materialIds: readonly string[];
  /** Those of the keys that new data goes under as well. */
  readonly replicas: readonly ReplicaName[];
  readonly watches: KeyWatches;
  /** Opens the tenant's keys; called once, again only after a failure. */
  readonly openKeys: () => Promise<KeyRing>;
  readonly contact: Contact;
  /** Those of the tenant that this one replaces, which go on. */
  readonly figures?: CacheFigures;
}

/** A tenant lets calls finish that began before it was replaced, and then its connections go. */
type Life = 'serving' | 'leaving' | 'closed';

export class Tenant implements AsyncDisposable {
  readonly id: TenantId;
  readonly settings: TenantSettings;
  readonly provider: ProviderName;
  readonly keyIds: readonly [string, ...string[]];
  readonly materialIds: readonly string[];
  readonly replicas: readonly ReplicaName[];
  readonly contact: Contact;
  readonly figures: CacheFigures;
  readonly #watches: KeyWatches;
  readonly #openKeys: () => Promise<KeyRing>;
  readonly #writerIds: readonly string[];
  #opening: Promise<KeyRing> | undefined;
  /** All keys. */
  #opened: KeyRing | undefined;
  /** The same, without replicas that refuse among those that new data goes under. */
  #ring: KeyRing | undefined;
  #life: Life = 'serving';

  constructor(options: TenantOptions) {
    this.id = options.id;
    this.settings = options.settings;
    this.provider = options.provider;
    this.keyIds = options.keyIds;
    this.materialIds = options.materialIds;
    this.replicas = options.replicas;
    this.contact = options.contact;
    this.figures = options.figures ?? { hits: 0, misses: 0 };
    this.#watches = options.watches;
    this.#writerIds = [options.keyIds[0], ...options.replicas.map(({ keyId }) => keyId)];
    this.#openKeys = options.openKeys;
  }

  get state(): TenantState {
    return stateOf(this.#watches.current);
  }

  /** The state of one of its keys. */
  stateOfKey(keyId: string): TenantState {
    return stateOf(this.watchOf(keyId));
  }

  /** Whether one of its keys is refused now. */
  get isAnyKeyRefused(): boolean {
    return [...this.#watches.byKeyId.values()].some(({ state }) => state.kind === 'refused');
  }

  /** The kinds of key services that its keys live in, each once. */
  get providers(): ReadonlySet<ProviderName> {
    return new Set([...this.#watches.byKeyId.values()].map(({ provider }) => provider));
  }

  /** Whether new data goes under this key. */
  isWriter(keyId: string): boolean {
    return this.#writerIds.includes(keyId);
  }

  /** The watch of the key that new data goes under. */
  get current(): KeyWatch {
    return this.#watches.current;
  }

  /** The watch of one of its keys. */
  watchOf(keyId: string): KeyWatch {
    const watch = this.#watches.byKeyId.get(keyId);
    if (watch === undefined) throw new Error('a key is used that is not one of the tenant');
    return watch;
  }

  /** What a call that begins now stands on. */
  permit(): Permit {
    return Permit.of(this.#watches.byKeyId.values());
  }

  /** Something has been cached that `openedBy` gave: from now on all that wrapped it are asked now and then. */
  kept(openedBy: KeyWatch): void {
    openedBy.kept();
    for (const keyId of this.#writerIds) this.watchOf(keyId).kept();
  }

  /** One of its keys has said no, or yes again. */
  keysChanged(): void {
    this.#ring = this.#opened?.without((service) => this.watchOf(service.keyId).state.kind === 'refused');
  }

  /** The keys, where they are open already: the way of the hot path. */
  get ring(): KeyRing | undefined {
    return this.#ring;
  }

  /** Whether its keys are open, or somebody has asked for them. */
  get isInUse(): boolean {
    return this.#opening !== undefined;
  }

  /** Whether it has not been replaced or removed: only then may what its calls fetch be kept. */
  get isServed(): boolean {
    return this.#life === 'serving';
  }

  /** Another takes its place, or none: calls under way go on, what they fetch is not kept. */
  leave(): void {
    if (this.#life === 'serving') this.#life = 'leaving';
  }

  /**
   * The keys, opened if need be. A failure is not remembered: the next call tries again. Rejects with
   * `KEY_SERVICE_UNAVAILABLE` once the tenant is closed: nobody would close what was opened then.
   */
  async keys(): Promise<KeyRing> {
    if (this.#life === 'closed') {
      throw new KeyproxyError('KEY_SERVICE_UNAVAILABLE', {
        detail: 'the tenant was reloaded while the call was under way, or keyproxy is stopping',
      });
    }
    this.#opening ??= this.#openKeys().then(
      (ring) => {
        if (this.#life === 'closed') return ring;
        this.#opened = ring;
        this.keysChanged();
        return this.#ring ?? ring;
      },
      (error) => {
        this.#opening = undefined;
        throw error;
      },
    );
    return this.#opening;
  }

  /** Closes the connections to the key services. Requests under way may still fail then. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#life = 'closed';
    this.#opened = undefined;
    this.#ring = undefined;
    const ring = await this.#opening?.catch(() => undefined);
    await ring?.[Symbol.asyncDispose]();
  }
}

function stateOf({ state }: KeyWatch): TenantState {
  switch (state.kind) {
    case 'active':
      return { kind: 'active' };
    case 'unproven':
      return { kind: 'active', reason: 'KEY_UNPROVEN' };
    case 'refused':
      return { kind: 'refused', reason: state.refusal.reason };
  }
}
