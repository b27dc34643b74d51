/** Events at the daemon's two edges: calls of applications, and calls to key services. */
import type { Clock } from '../base/clock.ts';
import type { KeyproxyError } from '../base/errors.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import { SparingLog } from './sparing-log.ts';
import type { Tally } from './tally.ts';
import type { Observations } from './tally-histogram.ts';

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
  readonly outcome: (typeof outcomes)[number];
  readonly seconds: number;
  readonly error?: {
    readonly fault: { readonly kind: string };
    readonly details: { readonly operation: string; providerCode?: string; requestId?: string; advice?: string };
  };
}

/**
 * Codes that tell of a failure which is nobody's wish. They are there before a method's first call, at 0: Prometheus does
 * not see what a series begins with, and the first of these should not be lost.
 */
const failureCodes = ['UNAVAILABLE', 'INTERNAL'];

/** What is counted for one method. */
class MethodTallies {
  readonly started: Tally;
  readonly #metrics: Metrics;
  readonly #labels: Readonly<Record<'grpc_service' | 'grpc_method' | 'grpc_type', string>>;
  readonly #byCode = new Map<string, { readonly ended: Tally; readonly seconds: Observations }>();

  constructor(metrics: Metrics, { service, name, kind }: MethodName) {
    this.#metrics = metrics;
    this.#labels = { grpc_service: service, grpc_method: name, grpc_type: kind };
    this.started = metrics.rpcStarted.tally(this.#labels);
    for (const code of failureCodes) metrics.rpcHandled.inc({ ...this.#labels, grpc_code: code }, 0);
  }

  handled(code: string, elapsed: number): void {
    let of = this.#byCode.get(code);
    if (of === undefined) {
      const labels = { ...this.#labels, grpc_code: code };
      of = { ended: this.#metrics.rpcHandled.tally(labels), seconds: this.#metrics.rpcSeconds.tally(labels) };
      this.#byCode.set(code, of);
    }
    of.ended.inc();
    of.seconds.observe(elapsed);
  }
}

/** Told of every call of an application. */
export function rpcEvents(metrics: Metrics, log: Log, clock: Clock) {
  const sparing = new SparingLog(clock);
  const methods = new Map<MethodName, MethodTallies>();
  const talliesOf = (method: MethodName): MethodTallies => {
    let tallies = methods.get(method);
    if (tallies === undefined) {
      tallies = new MethodTallies(metrics, method);
      methods.set(method, tallies);
    }
    return tallies;
  };
  return {
    /** Told at the start of every method that is served. */
    offered(served: Iterable<MethodName>): void {
      for (const method of served) talliesOf(method);
    },
    started: (method: MethodName): void => talliesOf(method).started.inc(),
    handled: (method: MethodName, code: string, elapsed: number): void => talliesOf(method).handled(code, elapsed),
    failed(method: MethodName, error: KeyproxyError): void {
      const { cause } = error;
      log.error({ method: method.name, reason: error.reason, fault: describe(cause) }, 'a call failed inside keyproxy');
    },
    broke(cause: unknown): void {
      log.error({ fault: describe(cause) }, 'a connection failed inside keyproxy');
    },
    turnedAway(): void {
      metrics.connectionsRefused.inc();
      sparing.tell('crowded', (leftOut) =>
        log.warn({ left_out: leftOut }, 'a listener has as many connections as it may, others are closed'),
      );
    },
  };
}

/** Name, message and stack of an internal failure; its properties may hold anything and stay out. */
function describe(cause: unknown): Record<string, string | undefined> {
  return cause instanceof Error ? { name: cause.name, message: cause.message, stack: cause.stack } : {};
}

/** How calls to key services end. */
const outcomes = ['ok', 'refusal', 'outage', 'fault'] as const;

/** What key services are asked for. */
const kmsOperations = ['generate', 'wrap', 'unwrap', 'rewrap', 'canary'];

/** A tenant by the kinds of key services that its keys live in. */
interface TenantOfProviders {
  readonly providers: Iterable<string>;
}

/** From a tenant that is served on, all outcomes of its providers' operations are there, as `failureCodes` are and why. */
export function kmsZeros(metrics: Metrics) {
  const known = new Set<string>();
  return ({ providers }: TenantOfProviders): void => {
    for (const provider of providers) {
      if (known.has(provider)) continue;
      known.add(provider);
      for (const operation of kmsOperations) {
        for (const outcome of outcomes) metrics.kmsRequests.inc({ provider, operation, outcome }, 0);
      }
    }
  };
}

/** Told of every call to a key service. */
export function kmsEvents(metrics: Metrics, log: Log) {
  return (tenant: string, call: KeyServiceCall): void => {
    const { provider, operation, outcome } = call;
    metrics.kmsRequests.inc({ provider, operation, outcome });
    metrics.kmsSeconds.observe({ provider, operation }, call.seconds);
    if (outcome === 'ok') return;
    const details = call.error?.details;
    // Whoever sends bytes that do not open could fill the log, and what the canary hears has a line of its own; the
    // metrics count both.
    const level = call.error?.fault.kind === 'data' || operation === 'canary' ? 'debug' : 'warn';
    log[level](
      {
        tenant,
        provider,
        operation: details?.operation ?? operation,
        outcome,
        provider_code: details?.providerCode,
        provider_request_id: details?.requestId,
        advice: details?.advice,
      },
      'a call to a key service did not succeed',
    );
  };
}

/** Told when the service of a key has gone silent, and when it answers again. */
export function circuitEvents(log: Log) {
  return (circuit: { tenant: string; key: string; provider: string }, state: 'open' | 'closed'): void => {
    if (state === 'open') log.warn({ ...circuit }, 'a key service gives no answer, calls to it fail at once');
    else log.info({ ...circuit }, 'a key service answers again');
  };
}

/** Told when a key is found to be none that its environment may use, and when it is one again. */
export function segregationEvents(log: Log) {
  return (key: { tenant: string; key: string; provider: string }, problem: string | undefined): void => {
    if (problem === undefined) log.info({ ...key }, 'a key may be used in its environment');
    else log.error({ ...key, problem }, 'a key may not be used in its environment');
  };
}
