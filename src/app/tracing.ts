/** Traces of calls, where they are configured: what is put around the parts of the data plane, which know nothing of it. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Clock } from '../base/clock.ts';
import type { DaemonConfig } from '../config/daemon-file.ts';
import { type Flights, LeaseFlights } from '../dek/lease-flights.ts';
import type { EngineObserver } from '../operations/observer.ts';
import type { TenantKey } from '../operations/tenant-key.ts';
import type { CallFollower } from '../rpc/follower.ts';
import type { AroundVerb } from '../rpc/keyproxy-service.ts';
import type { CallObserver } from '../rpc/method.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Tracing } from '../telemetry/tracing.ts';
import type { KeyOpener } from './key-services.ts';
import { tracedKeys } from './traced-keys.ts';
import { version } from './version.ts';

/** Parts of the data plane that calls pass, as they are without traces. */
export interface Parts {
  readonly services: KeyOpener;
  readonly observer: EngineObserver;
  readonly calls: CallObserver;
}

/** The same parts, and what is put around or beside them where calls are traced. */
export interface TracedParts extends Parts {
  readonly flights?: Flights<TenantKey>;
  readonly around?: AroundVerb;
  readonly follower?: CallFollower;
}

/** Traces, and their end: what was not sent yet is, for a second at most. */
export interface OpenTracing extends AsyncDisposable {
  readonly tracing: Tracing | undefined;
}

/** Loads what tracing needs, where it is configured; elsewhere nothing is loaded, and there is nothing to end. */
export async function openTracing(
  config: DaemonConfig,
  { metrics, log, clock }: { metrics: Metrics; log: Log; clock: Clock },
): Promise<OpenTracing> {
  if (config.tracing === undefined) return { tracing: undefined, async [Symbol.asyncDispose]() {} };
  const [{ Tracing }, { SpanSender }, { spanEvents }] = await Promise.all([
    import('../telemetry/tracing.ts'),
    import('../telemetry/span-sender.ts'),
    import('../telemetry/span-events.ts'),
  ]);
  const { endpoint, sampleRatio } = config.tracing;
  const sender = new SpanSender({ endpoint, clock, ...spanEvents(metrics, log) });
  const resource = {
    'service.name': 'keyproxy',
    'service.version': version,
    'service.instance.id': randomUUID(),
    'deployment.environment.name': config.environment,
    'host.name': hostname(),
  };
  return {
    tracing: new Tracing({ sampleRatio, random: Math.random, resource, sender }),
    [Symbol.asyncDispose]: () => sender[Symbol.asyncDispose](),
  };
}

/** Puts traces around `parts`. Without them it gives back the very parts, so that a call costs what it did. */
export function withTracing(tracing: Tracing | undefined, parts: Parts): TracedParts {
  if (tracing === undefined) return parts;
  return {
    services: tracedKeys(parts.services, tracing),
    observer: tracing.engine(parts.observer),
    calls: parts.calls,
    flights: tracing.flights(new LeaseFlights<TenantKey>()),
    around: (verb) => tracing.verb(verb),
    follower: tracing.calls(parts.calls),
  };
}
