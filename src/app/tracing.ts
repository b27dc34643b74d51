/** Traces of calls, where they are configured: what is put around the parts of the data plane, which know nothing of it. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Clock } from '../base/clock.ts';
import type { DaemonConfig } from '../config/daemon-file.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Tracing } from '../telemetry/tracing.ts';
import { version } from './version.ts';

/** Traces, and their end: what was not sent yet is, for a second at most. */
export interface OpenTracing extends AsyncDisposable {
  readonly tracing: Tracing;
}

/** Loads what tracing needs, where it is configured; undefined, and nothing loaded, where it is not. */
export async function openTracing(
  config: DaemonConfig,
  { metrics, log, clock }: { metrics: Metrics; log: Log; clock: Clock },
): Promise<OpenTracing | undefined> {
  if (config.tracing === undefined) return undefined;
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
    tracing: new Tracing({ sampleRatio, resource, sender }),
    [Symbol.asyncDispose]: () => sender[Symbol.asyncDispose](),
  };
}
