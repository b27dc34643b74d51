/**
 * The data plane: from a checked configuration to a daemon that serves, and back to nothing.
 *
 * Configuration was read before and touched no port. `startDataPlane` builds, binds and serves; `drain` takes
 * readiness away, lets accepted calls finish, and wipes every key.
 */
import { readFile } from 'node:fs/promises';
import { pause, systemClock } from '../base/clock.ts';
import type { DaemonConfig } from '../config/daemon-file.ts';
import { describeProblem } from '../config/problem.ts';
import { evictionReasons, KeyCache } from '../dek/key-cache.ts';
import type { Engine } from '../operations/engine.ts';
import { Standings } from '../operations/standing.ts';
import type { TenantKey } from '../operations/tenant-key.ts';
import { TenantKeys } from '../operations/tenant-keys.ts';
import { readDescriptors } from '../rpc/descriptors.ts';
import { Health, healthMethods } from '../rpc/health.ts';
import { keyproxyMethods, keyproxyService, type ServiceOptions } from '../rpc/keyproxy-service.ts';
import type { Listener } from '../rpc/listener.ts';
import type { Method } from '../rpc/method.ts';
import { reflectionMethods } from '../rpc/reflection.ts';
import { circuitEvents, kmsEvents, kmsZeros, rpcEvents, segregationEvents } from '../telemetry/call-events.ts';
import { engineEvents } from '../telemetry/engine-events.ts';
import { serveHttp } from '../telemetry/http.ts';
import { identityEvents } from '../telemetry/identity-events.ts';
import { keyEvents, tenantStateGauge } from '../telemetry/key-events.ts';
import type { Log } from '../telemetry/log.ts';
import { createMetrics, type Metrics } from '../telemetry/metrics.ts';
import { policyEvents } from '../telemetry/policy-events.ts';
import { TenantRegistry } from '../tenants/registry.ts';
import { auditFigures, openAudit } from './audit.ts';
import { protoFile } from './files.ts';
import { Identities } from './identities.ts';
import { KeyServices } from './key-services.ts';
import { asStartupError, bindListener, bracketed } from './listeners.ts';
import { PolicyInForce } from './policy.ts';
import { type KeptState, openState, refusalFileOf, warmStartOf } from './state.ts';
import { TenantSet } from './tenants.ts';
import { openTracing, withTracing } from './tracing.ts';
import { version } from './version.ts';

/** How long accepted calls may take to finish at the end, in milliseconds. */
const drainMs = 5000;
/** How much longer the files of a warm start may take after that, in milliseconds. */
const lastSaveMs = 500;

export interface DataPlane {
  readonly tenants: TenantSet;
  readonly registry: TenantRegistry;
  readonly metrics: Metrics;
  /** Tells probes that calls are welcome: tenants are there. Throws a StartupError where it cannot serve them. */
  open(): void;
  /** Stops: readiness first, then calls, then keys. */
  drain(): Promise<void>;
}

/** What a plane runs on, for what it offers. */
export interface PlaneParts {
  readonly engine: Engine;
  /** Put around each verb. */
  readonly around?: ServiceOptions['around'];
  readonly config: DaemonConfig;
  readonly health: Health;
  readonly cache: KeyCache<TenantKey>;
  /** What an earlier process left, where the configuration names a folder for it. */
  readonly state: KeptState | undefined;
  readonly metrics: Pick<Metrics, 'registry'>;
  readonly log: Log;
}

/** What a plane offers on its listeners. */
export interface Offered extends AsyncDisposable {
  readonly methods: readonly Method[];
  /** Tenants are there: calls are welcome. Throws a StartupError where it cannot be offered for them. */
  open(): void;
  /** A tenant is served as a new file says. */
  served(): void;
}

/** Makes what is offered. Throws a StartupError where it cannot be. */
export type Offer = (parts: PlaneParts) => Promise<Offered>;

/** Builds what applications call. */
export const offerToApplications: Offer = async ({ engine, around, config, health }) => ({
  methods: allMethods({ engine, around }, config, health),
  open() {},
  served() {},
  async [Symbol.asyncDispose]() {},
});

/**
 * Builds, binds and serves. Throws a ConfigError where the policy cannot be used, a StartupError where an address or the
 * folder of its state cannot be had; nothing is left behind then.
 */
export async function startDataPlane(
  config: DaemonConfig,
  log: Log,
  offer: Offer = offerToApplications,
): Promise<DataPlane> {
  await using stack = new AsyncDisposableStack();
  const clock = systemClock;
  const random = Math.random;
  const policy = await PolicyInForce.open(config.policy);
  const state = await openState(config, log);
  if (state !== undefined) stack.use(state.folder);
  const keyServices = stack.use(new KeyServices({ clock, ...config }));
  const metrics = createMetrics({
    cacheEntries: () => cache.count(),
    credentialExpiries: () => keyServices.credentialExpiries(),
    openCircuits: () => tenants.openCircuits(),
    auditEntries: () => auditFigures(audit),
  });
  metrics.buildInfo.set({ version, node: process.version }, 1);
  for (const reason of evictionReasons) metrics.cacheEvictions.inc({ reason }, 0);
  const { tracing } = stack.use(await openTracing(config, { metrics, log, clock }));
  const tellEngine = engineEvents(metrics, log, clock);
  const tellCalls = rpcEvents(metrics, log, clock);
  const { services, observer, calls, flights, around, follower } = withTracing(tracing, {
    services: keyServices,
    observer: tellEngine,
    calls: tellCalls,
  });
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
  const keys = new TenantKeys({ cache, clock, observer, flights, lifetime: lifetime.signal });
  const standings = new Standings({ access: policy.access, limits: config.callerLimits });
  const tellPolicy = policyEvents(metrics, log, describeProblem);
  stack.use(
    policy.watch({
      clock,
      onChange() {
        standings.policyChanged();
        tellPolicy.changed();
      },
      onProblems: tellPolicy.unusable,
    }),
  );
  const audit = stack.use(await openAudit(config.audit, { clock, log }));
  const engine: Engine = { registry, keys, clock, observer, standings, audit };
  const events = identityEvents(metrics, log, clock);
  const identities = stack.use(await Identities.open(config, { clock, random, events }));
  const showState = tenantStateGauge(metrics);
  const tellKey = keyEvents(metrics, log);
  const showProviders = kmsZeros(metrics);
  const tenants: TenantSet = stack.use(
    new TenantSet({
      ...{ registry, cache, services, clock, random },
      known: state?.refusals ?? [],
      onKmsCall: kmsEvents(metrics, log),
      onCircuit: circuitEvents(log),
      onSegregation: segregationEvents(log),
      ...{ environment: config.environment, segregation: config.segregation },
      onChange(tenant, change) {
        showState(tenant, change === 'served');
        if (change === 'removed') {
          refusalFile?.changed();
          return;
        }
        tellEngine.served(tenant);
        showProviders(tenant);
        warmStart?.served(tenant);
        offered.served();
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
  const offered = stack.use(await offer({ engine, around, config, health, cache, state, metrics, log }));
  const { methods } = offered;
  tellCalls.offered(methods);
  stack.use(await bindHttp(config, metrics, health));
  const listeners: Listener[] = [];
  for (const entry of config.listen) {
    const listener = await bindListener(entry, { methods, config, identities, observer: calls, follower, clock });
    stack.defer(() => listener.drain(0));
    listeners.push(listener);
  }
  const rest = stack.move();
  return {
    tenants,
    registry,
    metrics,
    open() {
      offered.open();
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

function allMethods(
  verbs: Pick<ServiceOptions, 'engine' | 'around'>,
  { maxMessageBytes }: DaemonConfig,
  health: Health,
): Method[] {
  return [
    ...keyproxyMethods({ ...verbs, maxMessageBytes }),
    ...healthMethods(health),
    ...reflectionMethods(async () => readDescriptors(await readFile(protoFile('descriptors.binpb')))),
  ];
}

async function bindHttp(config: DaemonConfig, metrics: Metrics, health: Health): Promise<AsyncDisposable> {
  const { host, port } = config.http;
  try {
    return await serveHttp({ host, port, registry: metrics.registry, isReady: () => health.serving });
  } catch (error) {
    throw asStartupError(error, `http://${host === undefined ? '' : bracketed(host)}:${port}`);
  }
}
