/** Opens the keys of one tenant, each with its watch and its canary, behind the gate of their environment. */
import type { Clock } from '../base/clock.ts';
import type { TenantId } from '../base/ids.ts';
import type { TenantConfig } from '../config/tenant-file.ts';
import { decorated } from '../kms/decorated.ts';
import { type KeyConfig, keyIdOf } from '../kms/key-config.ts';
import { KeyRing, type RingKeys } from '../kms/key-ring.ts';
import type { KeyService } from '../kms/key-service.ts';
import type { KmsCall } from '../kms/observed.ts';
import { ruleFor, type SegregationSetting } from '../kms/segregation.ts';
import { type JudgedKey, SegregationGate } from '../kms/segregation-gate.ts';
import { Canary } from '../tenants/canary.ts';
import type { KeyWatch } from '../tenants/key-watch.ts';
import type { KeyWatches } from '../tenants/tenant.ts';
import { watched } from '../tenants/watched.ts';
import type { KeyOpener } from './key-services.ts';

/** The calls to one key of a tenant, which fail at once while its service gives no answer. */
export interface Circuit {
  readonly tenant: TenantId;
  /** The part of the key: `current`, `replica 1`, `retired 1` and so on. */
  readonly key: string;
  readonly provider: string;
}

/** A key that is open, by the ways that lead to it. */
interface WatchedKey extends AsyncDisposable {
  readonly judged: JudgedKey;
  readonly live: KeyService;
  readonly background: KeyService;
  /** From now on its watch can ask it. */
  attach(): void;
}

/** Where keys are opened, by which matrix, and who is told. */
export interface OpenRingOptions extends Partial<SegregationSetting> {
  readonly services: KeyOpener;
  readonly clock: Clock;
  readonly watches: KeyWatches;
  /** Whether the tenant has not been replaced or removed. */
  readonly isServed: () => boolean;
  /** Told of every call to a key service. */
  readonly report: (call: KmsCall) => void;
  /** Told when a key's service has gone silent, and when it answers again. */
  readonly onCircuit: (circuit: Circuit, state: 'open' | 'closed') => void;
  /** Told when a key is none that its environment may use, with the reason as a clause; and when it is one again. */
  readonly onSegregation?: (circuit: Circuit, problem: string | undefined) => void;
}

/**
 * Opens all of them, or none: what was opened is closed again where one fails. Where there is a segregation matrix,
 * waits until the current key and the replicas have been asked what they are; keys that do not fit stay shut and are
 * asked again. Rejects with `KEY_OUTSIDE_SEGREGATION` where the matrix knows nothing of the tenant's environment.
 */
export async function openRing(config: TenantConfig, options: OpenRingOptions): Promise<KeyRing> {
  const gate = gateOf(config, options);
  await using opened = new AsyncDisposableStack();
  const open = async (key: KeyConfig, part: string): Promise<WatchedKey> =>
    opened.use(await openKey(config, key, { ...options, part, gate, watch: watchOf(options.watches, key) }));
  const numbered = (keys: readonly KeyConfig[], part: string) =>
    Array.fromAsync(keys, (key, index) => open(key, `${part} ${index + 1}`));
  const current = await open(config.key, currentPart);
  const replicas = await numbered(config.replicas, 'replica');
  const retired = await numbered(config.retired, 'retired');
  // What a retired key wrapped has to be read, whatever it is called.
  await gate?.judge([current, ...replicas].map(({ judged }) => judged));
  opened.move();
  // The watches outlive the tenant: one that was replaced while its keys were being opened must not take them over.
  if (options.isServed()) for (const key of [current, ...replicas, ...retired]) key.attach();
  const by = (way: 'live' | 'background'): RingKeys => ({
    current: current[way],
    replicas: replicas.map((key) => key[way]),
    retired: retired.map((key) => key[way]),
  });
  return new KeyRing(by('live'), by('background'));
}

const currentPart = 'current';
/** How much longer than one call the reading of a key's names and tags may take: it may be a login and two calls. */
const readingFactor = 2;

async function openKey(
  config: TenantConfig,
  key: KeyConfig,
  options: OpenRingOptions & { part: string; watch: KeyWatch; gate: SegregationGate | undefined },
): Promise<WatchedKey> {
  const { services, clock, report, onCircuit, onSegregation, part, watch, gate } = options;
  const { tenantId, limits } = config;
  const circuit: Circuit = { tenant: tenantId, key: part, provider: key.provider };
  const canary = new Canary({ clock, tenantId, watch });
  let isSilent = false;
  const opened = await services.open(key, {
    tenantId,
    timeoutMs: limits.kmsTimeoutMs,
    callsPerSecond: limits.kmsCallsPerSecond,
    concurrency: limits.kmsConcurrency,
    intervalMs: config.canary.intervalSeconds * 1000,
    report,
    onCircuit(state) {
      isSilent = state === 'open';
      onCircuit(circuit, state);
      if (isSilent) watch.wentSilent();
    },
    expectUsable() {
      watch.expectUsable();
      gate?.expectOpen(part);
    },
    around: (calls) => closingWith(part === currentPart ? gate : undefined, watched(calls, { watch, canary, clock })),
  });
  return {
    judged: {
      ...{ part, service: opened.live },
      onChange: (problem) => onSegregation?.(circuit, problem),
      onRefusal: (error, sentAt) => watch.failed(error, sentAt),
    },
    live: opened.live,
    background: opened.background,
    attach: () => watch.attach({ ask: (signal) => canary.ask(opened.canary, signal), isSilent: () => isSilent }),
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

/** The same key service, which `gate` ends with: every ring has a current key. */
function closingWith(gate: SegregationGate | undefined, service: KeyService): KeyService {
  if (gate === undefined) return service;
  return decorated(
    service,
    (_operation, signal, call) => call(signal),
    async () => {
      gate[Symbol.dispose]();
      await service[Symbol.asyncDispose]();
    },
  );
}

function gateOf(config: TenantConfig, options: OpenRingOptions): SegregationGate | undefined {
  const rule = ruleFor(config, options);
  if (rule === undefined) return undefined;
  const timeoutMs = config.limits.kmsTimeoutMs * readingFactor;
  return new SegregationGate({ rule, clock: options.clock, random: Math.random, timeoutMs });
}

function watchOf({ byKeyId }: KeyWatches, key: KeyConfig): KeyWatch {
  const watch = byKeyId.get(keyIdOf(key));
  if (watch === undefined) throw new Error('a key has no watch');
  return watch;
}
