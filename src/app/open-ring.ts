/** Opens the keys of one tenant, each with its watch and its canary. */
import type { Clock } from '../base/clock.ts';
import type { TenantId } from '../base/ids.ts';
import type { TenantConfig } from '../config/tenant-file.ts';
import { type KeyConfig, keyIdOf } from '../kms/key-config.ts';
import { KeyRing, type RingKeys } from '../kms/key-ring.ts';
import type { KeyService } from '../kms/key-service.ts';
import type { KmsCall } from '../kms/observed.ts';
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
  readonly live: KeyService;
  readonly background: KeyService;
  /** From now on its watch can ask it. */
  attach(): void;
}

/** Where keys are opened, and who is told. */
export interface OpenRingOptions {
  readonly services: KeyOpener;
  readonly clock: Clock;
  readonly watches: KeyWatches;
  /** Whether the tenant has not been replaced or removed. */
  readonly isServed: () => boolean;
  /** Told of every call to a key service. */
  readonly report: (call: KmsCall) => void;
  /** Told when a key's service has gone silent, and when it answers again. */
  readonly onCircuit: (circuit: Circuit, state: 'open' | 'closed') => void;
}

/** Opens all of them, or none: what was opened is closed again where one fails. */
export async function openRing(config: TenantConfig, options: OpenRingOptions): Promise<KeyRing> {
  await using opened = new AsyncDisposableStack();
  const open = async (key: KeyConfig, part: string): Promise<WatchedKey> =>
    opened.use(await openKey(config, key, { ...options, part, watch: watchOf(options.watches, key) }));
  const numbered = (keys: readonly KeyConfig[], part: string) =>
    Array.fromAsync(keys, (key, index) => open(key, `${part} ${index + 1}`));
  const current = await open(config.key, 'current');
  const replicas = await numbered(config.replicas, 'replica');
  const retired = await numbered(config.retired, 'retired');
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

async function openKey(
  config: TenantConfig,
  key: KeyConfig,
  { services, clock, report, onCircuit, part, watch }: OpenRingOptions & { part: string; watch: KeyWatch },
): Promise<WatchedKey> {
  const { tenantId, limits } = config;
  const circuit: Circuit = { tenant: tenantId, key: part, provider: key.provider };
  const canary = new Canary({ clock, tenantId, watch });
  const opened = await services.open(key, {
    tenantId,
    timeoutMs: limits.kmsTimeoutMs,
    callsPerSecond: limits.kmsCallsPerSecond,
    concurrency: limits.kmsConcurrency,
    intervalMs: config.canary.intervalSeconds * 1000,
    report,
    onCircuit: (state) => onCircuit(circuit, state),
    expectUsable: () => watch.expectUsable(),
    around: (calls) => watched(calls, { watch, canary, clock }),
  });
  return {
    live: opened.live,
    background: opened.background,
    attach: () => watch.attach((signal) => canary.ask(opened.canary, signal)),
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}

function watchOf({ byKeyId }: KeyWatches, key: KeyConfig): KeyWatch {
  const watch = byKeyId.get(keyIdOf(key));
  if (watch === undefined) throw new Error('a key has no watch');
  return watch;
}
