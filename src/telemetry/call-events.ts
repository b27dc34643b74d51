/** Events at the daemon's two edges: calls of applications, and calls to key services. */
import type { KeyproxyError } from '../base/errors.ts';
import { ChildCache } from './engine-events.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';

/** A method as metrics name it. */
interface MethodName {
  readonly kind: 'unary' | 'server_stream' | 'bidi_stream';
  readonly service: string;
  readonly name: string;
}

/** A call to a key service as it ended. */
interface KeyServiceCall {
  readonly provider: string;
  readonly operation: string;
  readonly outcome: 'ok' | 'refusal' | 'outage' | 'fault';
  readonly seconds: number;
  readonly error?: {
    readonly fault: { readonly kind: string };
    readonly details: { readonly operation: string; providerCode?: string; requestId?: string };
  };
}

/** Told of every call of an application. */
export function rpcEvents(metrics: Metrics, log: Log) {
  const started = new ChildCache();
  const handled = new ChildCache();
  const seconds = new Map<string, { observe(value: number): void }>();
  const labels = (method: MethodName) => ({
    grpc_service: method.service,
    grpc_method: method.name,
    grpc_type: method.kind,
  });
  return {
    started(method: MethodName): void {
      started.of(`${method.service}/${method.name}`, () => metrics.rpcStarted.labels(labels(method))).inc();
    },
    handled(method: MethodName, code: string, elapsed: number): void {
      const key = `${method.service}/${method.name} ${code}`;
      handled.of(key, () => metrics.rpcHandled.labels({ ...labels(method), grpc_code: code })).inc();
      let histogram = seconds.get(key);
      if (histogram === undefined) {
        histogram = metrics.rpcSeconds.labels({ ...labels(method), grpc_code: code });
        seconds.set(key, histogram);
      }
      histogram.observe(elapsed);
    },
    failed(method: MethodName, error: KeyproxyError): void {
      const { cause } = error;
      log.error({ method: method.name, reason: error.reason, fault: describe(cause) }, 'a call failed inside keyproxy');
    },
  };
}

/** Name, message and stack of an internal failure; its properties may hold anything and stay out. */
function describe(cause: unknown): Record<string, string | undefined> {
  return cause instanceof Error ? { name: cause.name, message: cause.message, stack: cause.stack } : {};
}

/** Told of every call to a key service. */
export function kmsEvents(metrics: Metrics, log: Log) {
  return (tenant: string, call: KeyServiceCall): void => {
    const { provider, operation, outcome } = call;
    metrics.kmsRequests.inc({ provider, operation, outcome });
    metrics.kmsSeconds.observe({ provider, operation }, call.seconds);
    if (outcome === 'ok') return;
    const details = call.error?.details;
    // Whoever sends bytes that do not open could fill the log; the metrics count them.
    const level = call.error?.fault.kind === 'data' ? 'debug' : 'warn';
    log[level](
      {
        tenant,
        provider,
        operation: details?.operation ?? operation,
        outcome,
        provider_code: details?.providerCode,
        provider_request_id: details?.requestId,
      },
      'a call to a key service did not succeed',
    );
  };
}
