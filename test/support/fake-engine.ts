/** The engine, whole and real, over key services in memory and a clock that is moved by hand. */
import type { Caller } from '../../src/base/caller.ts';
import type { Clock } from '../../src/base/clock.ts';
import type { Reason } from '../../src/base/errors.ts';
import { KeyproxyError } from '../../src/base/errors.ts';
import { parseTenantId, type TenantId } from '../../src/base/ids.ts';
import { type Verb, verbs } from '../../src/base/verb.ts';
import { type EvictionReason, KeyCache } from '../../src/dek/key-cache.ts';
import { KeyRing } from '../../src/kms/key-ring.ts';
import { type AuditTrail, CallRecord } from '../../src/operations/audit-trail.ts';
import { decrypt } from '../../src/operations/decrypt.ts';
import { describeTenant } from '../../src/operations/describe-tenant.ts';
import { encrypt } from '../../src/operations/encrypt.ts';
import type { Engine } from '../../src/operations/engine.ts';
import { generateDek } from '../../src/operations/generate-dek.ts';
import { rewrap } from '../../src/operations/rewrap.ts';
import { type CallerLimits, Standings, type Subject } from '../../src/operations/standing.ts';
import type { TenantKey } from '../../src/operations/tenant-key.ts';
import { TenantKeys } from '../../src/operations/tenant-keys.ts';
import { unwrap } from '../../src/operations/unwrap.ts';
import { KeyWatch } from '../../src/tenants/key-watch.ts';
import { TenantRegistry } from '../../src/tenants/registry.ts';
import { Samples } from '../../src/tenants/samples.ts';
import { type KeyWatches, Tenant, type TenantSettings } from '../../src/tenants/tenant.ts';
import { FakeAudit } from './fake-audit.ts';
import { FakeClock } from './fake-clock.ts';
import type { FakeKeyService } from './fake-key-service.ts';

/** As the seed's file has it. */
export const usualSettings: TenantSettings = {
  cacheTtlMs: 86_400_000,
  cacheMaxEntries: 1000,
  warmStart: false,
  rotationMs: 90 * 86_400_000,
  dekSource: 'derived',
  foreign: false,
  suites: 'committing',
  audit: { logAll: true, alertOnFailures: true },
};

export interface FakeEngineOptions {
  readonly access?: (caller: Caller, tenant: TenantId) => ReadonlySet<Verb>;
  readonly limits?: Partial<CallerLimits>;
  readonly audit?: AuditTrail;
  readonly maxBytes?: number;
}

/** A tenant's keys by their parts. */
export interface FakeRing {
  readonly current: FakeKeyService;
  readonly replicas?: readonly FakeKeyService[];
  readonly retired?: readonly FakeKeyService[];
}

const everyVerb = new Set(verbs);
/** Callers do what they like. */
export const noLimits: CallerLimits = {
  concurrentCalls: Number.POSITIVE_INFINITY,
  callsPerSecond: Number.POSITIVE_INFINITY,
  failedDecryptionsPerMinute: 1e9,
};

/** The record of a call that nobody reads. */
export function unreadRecord(): CallRecord {
  return new CallRecord(new FakeAudit(), { caller: 'socket', tenant: 'any', operation: 'encrypt' }, { isFull: false });
}

/** Whoever opened the socket. */
export const caller: Caller = { kind: 'socket' };
const none = Buffer.alloc(0);

/** Pairs as a caller gives them. */
export function pairs(of: Readonly<Record<string, string>> = {}): Map<string, string> {
  return new Map(Object.entries(of));
}

export class FakeEngine {
  readonly clock = new FakeClock();
  readonly registry = new TenantRegistry();
  readonly lifetime = new AbortController();
  /** Business events, in order, as one line each. */
  readonly events: string[] = [];
  readonly evictions: EvictionReason[] = [];
  readonly cache: KeyCache<TenantKey>;
  /** Where nothing else was given. */
  readonly audit = new FakeAudit();
  readonly engine: Engine;

  constructor(options: FakeEngineOptions = {}) {
    const { clock, registry, events } = this;
    const maxBytes = options.maxBytes ?? 64 * 1024 * 1024;
    this.cache = new KeyCache<TenantKey>({
      clock,
      random: () => 0.5,
      maxBytes,
      onEvict: (_tenant, reason) => this.evictions.push(reason),
    });
    const observer = {
      cacheAsked: (tenant: TenantId, operation: string, result: string) => {
        events.push(`${tenant} ${operation} ${result}`);
      },
      dekGenerated: (source: string) => {
        events.push(`generated ${source}`);
      },
      failedOver: (tenant: TenantId, provider: string) => {
        events.push(`${tenant} failed over to ${provider}`);
      },
      decryptionEnded: (tenant: TenantId, failure?: Reason) => {
        events.push(`${tenant} decryption ${failure ?? 'ok'}`);
      },
      accessDenied: ({ caller, tenant, operation }: Subject) => {
        events.push(`${caller} denied ${operation} for ${tenant}`);
      },
      operationFailed: () => {},
    };
    const keys = new TenantKeys({ cache: this.cache, clock, observer, lifetime: this.lifetime.signal });
    const { access = () => everyVerb, limits, audit = this.audit } = options;
    const standings = new Standings({
      access: (who) => (tenant) => access(who, tenant),
      limits: { ...noLimits, ...limits },
    });
    this.engine = { registry, keys, clock, observer, standings, audit };
  }

  /** Serves a tenant under `keys`, in a list the current one first, in the place of one of the same id. */
  serve(
    id: string,
    keys: readonly [FakeKeyService, ...FakeKeyService[]] | FakeRing,
    settings: Partial<TenantSettings> = {},
    openKeys?: () => Promise<KeyRing>,
  ): Tenant {
    const {
      current,
      replicas = [],
      retired = [],
    } = 'current' in keys ? keys : { current: keys[0], retired: keys.slice(1) };
    const all = [current, ...replicas, ...retired];
    const tenant = new Tenant({
      id: parseTenantId(id),
      settings: { ...usualSettings, ...settings },
      provider: current.provider,
      keyIds: [current.keyId, ...all.slice(1).map((key) => key.keyId)],
      materialIds: all.map((key) => key.keyId),
      replicas: replicas.map((key) => ({ provider: key.provider, keyId: key.keyId })),
      openKeys: openKeys ?? (async () => new KeyRing({ current, replicas, retired })),
      contact: {},
      watches: unaskedWatches(this.clock, all),
    });
    const { cacheTtlMs: ttlMs, cacheMaxEntries: maxEntries } = tenant.settings;
    this.cache.admit(tenant.id, { ttlMs, maxEntries, callsPerSecond: 50 });
    this.registry.put(tenant)?.leave();
    return tenant;
  }

  /** Every verb with what most calls leave out filled in, as the socket's caller. */
  encrypt(tenantId: string, plaintext: string | Buffer, options: VerbOptions = {}) {
    const request = { tenantId, plaintext: Buffer.from(plaintext), ...contextAndData(options) };
    return encrypt(this.engine)(caller, request, signalOf(options));
  }

  decrypt(tenantId: string, ciphertext: Buffer, options: VerbOptions = {}) {
    return decrypt(this.engine)(caller, { tenantId, ciphertext, ...contextAndData(options) }, signalOf(options));
  }

  generate(
    tenantId: string,
    options: VerbOptions & { source?: number; bytes?: number; withoutPlaintext?: boolean } = {},
  ) {
    const { source = 0, bytes: numberOfBytes = 0, withoutPlaintext = false } = options;
    const { encryptionContext } = contextAndData(options);
    const request = { tenantId, source, numberOfBytes, withoutPlaintext, encryptionContext };
    return generateDek(this.engine)(caller, request, signalOf(options));
  }

  unwrap(tenantId: string, wrappedDek: Buffer, options: VerbOptions = {}) {
    const { encryptionContext } = contextAndData(options);
    return unwrap(this.engine)(caller, { tenantId, wrappedDek, encryptionContext }, signalOf(options));
  }

  rewrap(
    tenantId: string,
    input: { wrappedDek?: Buffer; ciphertext?: Buffer },
    options: VerbOptions & { targetTenantId?: string } = {},
  ) {
    const { targetTenantId = '' } = options;
    return rewrap(this.engine)(
      caller,
      { tenantId, ...input, ...contextAndData(options), targetTenantId },
      signalOf(options),
    );
  }

  describe(tenantId: string) {
    return describeTenant(this.engine)(caller, { tenantId }, new AbortController().signal);
  }
}

/** Watches of keys whose services nobody asks but the calls of a test. */
export function unaskedWatches(clock: Clock, keys: readonly { readonly keyId: string }[]): KeyWatches {
  const watches = keys.map(
    ({ keyId }) =>
      new KeyWatch({
        ...{ provider: 'local', keyId, clock, random: () => 0.5 },
        terms: { intervalMs: 60_000, maxUnprovenMs: 86_400_000 },
        samples: new Samples({ wrapped: [] }),
        isHolding: () => false,
        onChange: () => {},
      }),
  );
  const [current] = watches;
  if (current === undefined) throw new Error('a tenant has at least one key');
  return { current, byKeyId: new Map(watches.map((watch) => [watch.keyId, watch])) };
}

export interface VerbOptions {
  readonly context?: Readonly<Record<string, string>>;
  readonly ad?: string;
  readonly signal?: AbortSignal;
}

function contextAndData({ context, ad }: VerbOptions) {
  return { encryptionContext: pairs(context), associatedData: ad === undefined ? none : Buffer.from(ad) };
}

function signalOf({ signal }: VerbOptions): AbortSignal {
  return signal ?? new AbortController().signal;
}

/** The failure that a promise must end with. */
export async function rejection(promise: Promise<unknown>): Promise<KeyproxyError> {
  const settled = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (settled instanceof KeyproxyError) return settled;
  throw settled === undefined ? new Error('the call succeeded, a failure was due') : settled;
}
