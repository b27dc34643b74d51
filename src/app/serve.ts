/**
 * The data plane: from a checked configuration to a daemon that serves, and back to nothing.
 *
 * Configuration was read before and touched no port. `startDataPlane` builds, binds and serves; `drain` takes
 * readiness away, lets accepted calls finish, and wipes every key.
 */
import { readFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import type { Caller } from '../base/caller.ts';
import { type Clock, pause, systemClock } from '../base/clock.ts';
import type { DaemonConfig } from '../config/daemon-file.ts';
import type { Listener as ListenerConfig } from '../config/listener.ts';
import { evictionReasons, KeyCache } from '../dek/key-cache.ts';
import { peerReader } from '../identity/peer-credentials.ts';
import type { Engine } from '../operations/engine.ts';
import type { TenantKey } from '../operations/tenant-key.ts';
import { TenantKeys } from '../operations/tenant-keys.ts';
import { readDescriptors } from '../rpc/descriptors.ts';
import { Health, healthMethods } from '../rpc/health.ts';
import { keyproxyMethods, keyproxyService } from '../rpc/keyproxy-service.ts';
import type { Listener, ListenerOptions } from '../rpc/listener.ts';
import type { Method } from '../rpc/method.ts';
import { reflectionMethods } from '../rpc/reflection.ts';
import { circuitEvents, kmsEvents, rpcEvents } from '../telemetry/call-events.ts';
import { engineEvents } from '../telemetry/engine-events.ts';
import { serveHttp } from '../telemetry/http.ts';
import { keyEvents, tenantStateGauge } from '../telemetry/key-events.ts';
import type { Log } from '../telemetry/log.ts';
import { createMetrics, type Metrics } from '../telemetry/metrics.ts';
import { TenantRegistry } from '../tenants/registry.ts';
import { protoFile } from './files.ts';
import { KeyServices } from './key-services.ts';
import { StartupError } from './startup-error.ts';
import { openState, refusalFileOf, warmStartOf } from './state.ts';
import { TenantSet } from './tenants.ts';
import { claimSocket, withSocketMode } from './unix-socket.ts';
import { version } from './version.ts';

/** How long accepted calls may take to finish at the end, in milliseconds. */
const drainMs = 5000;
/** How much longer the files of a warm start may take after that, in milliseconds. */
const lastSaveMs = 500;

export interface DataPlane {
  readonly tenants: TenantSet;
  readonly registry: TenantRegistry;
  readonly metrics: Metrics;
  /** Tells probes that calls are welcome: tenants are there. */
  open(): void;
  /** Stops: readiness first, then calls, then keys. */
  drain(): Promise<void>;
}

/**
 * Builds, binds and serves. Throws a StartupError where an address or the folder of its state cannot be had; nothing is
 * left behind then.
 */
export async function startDataPlane(config: DaemonConfig, log: Log): Promise<DataPlane> {
  await using stack = new AsyncDisposableStack();
  const clock = systemClock;
  const random = Math.random;
  const state = await openState(config, log);
  const services = stack.use(new KeyServices({ clock, ...config }));
  const metrics = createMetrics({
    cacheEntries: () => cache.count(),
    credentialExpiries: () => services.credentialExpiries(),
    openCircuits: () => tenants.openCircuits(),
  });
  metrics.buildInfo.set({ version, node: process.version }, 1);
  for (const reason of evictionReasons) metrics.cacheEvictions.inc({ reason }, 0);
  const lifetime = new AbortController();
  stack.defer(() => lifetime.abort(new Error('the daemon ends')));
  const registry = stack.use(new TenantRegistry());
  const cache = stack.use(
    new KeyCache<TenantKey>({
      clock,
      random,
      maxBytes: config.cacheMaxBytes,
      onEvict: (_tenant, reason) => metrics.cacheEvictions.inc({ reason }),
    }),
  );
  const observer = engineEvents(metrics, log);
  const keys = new TenantKeys({ cache, clock, observer, lifetime: lifetime.signal });
  // There is no policy in this version: whoever could open a listener may work for every tenant that is served here.
  const engine: Engine = { registry, keys, clock, observer, access: () => true };
  const showState = tenantStateGauge(metrics);
  const tellKey = keyEvents(metrics, log);
  const tenants: TenantSet = stack.use(
    new TenantSet({
      ...{ registry, cache, services, clock, random },
      known: state?.refusals ?? [],
      onKmsCall: kmsEvents(metrics, log),
      onCircuit: circuitEvents(log),
      onChange(tenant, change) {
        showState(tenant, change === 'served');
        if (change === 'served') warmStart?.served(tenant);
        else refusalFile?.changed();
      },
      onKeyChange(change) {
        showState(change.tenant, true);
        refusalFile?.changed();
        tellKey(change);
      },
    }),
  );
  const refusalFile = state && stack.use(refusalFileOf({ folder: state.folder, clock }, tenants, log));
  const warmStart =
    state && stack.use(warmStartOf({ folder: state.folder, clock, random, registry, cache, keys }, log));
  const health = new Health([keyproxyService]);
  const methods = allMethods(engine, config, health);
  stack.use(await bindHttp(config, metrics, health));
  const listeners: Listener[] = [];
  for (const entry of config.listen) listeners.push(await bind(entry, { methods, config, metrics, log, clock, stack }));
  const rest = stack.move();
  return {
    tenants,
    registry,
    metrics,
    open() {
      health.serving = true;
      warmStart?.start();
    },
    async drain() {
      health.serving = false;
      const saved = warmStart?.save();
      await Promise.all(listeners.map((listener) => listener.drain(drainMs)));
      await Promise.race([saved, pause(clock, lastSaveMs)]);
      await rest.disposeAsync();
    },
  };
}

function allMethods(engine: Engine, config: DaemonConfig, health: Health): Method[] {
  return [
    ...keyproxyMethods({ engine, maxMessageBytes: config.maxMessageBytes }),
    ...healthMethods(health),
    ...reflectionMethods(async () => readDescriptors(await readFile(protoFile('descriptors.binpb')))),
  ];
}

/** The transports; each is loaded where a listener wants it. */
const transports: Readonly<
  Record<ListenerConfig['transport'], () => Promise<(options: ListenerOptions) => Promise<Listener>>>
> = {
  native: async () => (await import('../rpc/native/listener.ts')).listen,
  'grpc-js': async () => (await import('../rpc/grpc-js/listener.ts')).listen,
};

interface BindOptions {
  readonly methods: readonly Method[];
  readonly config: DaemonConfig;
  readonly metrics: Metrics;
  readonly log: Log;
  readonly clock: Clock;
  readonly stack: AsyncDisposableStack;
}

async function bind(entry: ListenerConfig, options: BindOptions): Promise<Listener> {
  const { methods, config, metrics, log, clock, stack } = options;
  const target = entry.kind === 'unix' ? `unix:${entry.path}` : `${bracketed(entry.host)}:${entry.port}`;
  const caller: Caller = entry.kind === 'unix' ? { kind: 'socket' } : { kind: 'anonymous' };
  const serve = async () => {
    const { maxMessageBytes } = config;
    const marked = entry.kind === 'tcp';
    const observer = rpcEvents(metrics, log);
    const callerOf = entry.kind === 'unix' && entry.peerCredentials ? await knownPeer() : undefined;
    const listen = await transports[entry.transport]();
    const listener = await listen({ target, caller, callerOf, marked, methods, maxMessageBytes, observer, clock });
    stack.defer(() => listener.drain(0));
    return listener;
  };
  try {
    if (entry.kind === 'tcp') return await serve();
    await claimSocket(entry.path);
    return await withSocketMode(entry.path, entry.mode, serve);
  } catch (error) {
    throw asStartupError(error, target);
  }
}

/** Has the kernel say who is at the other end. */
async function knownPeer(): Promise<(socket: Socket) => Caller> {
  try {
    const read = await peerReader();
    return (socket) => ({ kind: 'socket', peer: read(socket) });
  } catch (error) {
    throw new StartupError('peer_credentials needs Linux and the package koffi, which cannot be loaded', error);
  }
}

async function bindHttp(config: DaemonConfig, metrics: Metrics, health: Health): Promise<AsyncDisposable> {
  const { host, port } = config.http;
  try {
    return await serveHttp({ host, port, registry: metrics.registry, isReady: () => health.serving });
  } catch (error) {
    throw asStartupError(error, `http://${host === undefined ? '' : bracketed(host)}:${port}`);
  }
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host;
}

function asStartupError(error: unknown, target: string): StartupError {
  if (error instanceof StartupError) return error;
  const text = error instanceof Error ? `${'code' in error ? error.code : ''} ${error.message}` : '';
  const why = text.includes('EADDRINUSE')
    ? 'the address is in use; stop the process that holds it or choose another'
    : text.includes('EACCES')
      ? 'permission denied'
      : text.includes('EADDRNOTAVAIL')
        ? 'the address is not one of this machine'
        : 'the system refused it';
  return new StartupError(`cannot listen on ${target}: ${why}`, error);
}
