/** Traces in process: which span a step belongs to, and what a span is told. */
import { setImmediate as immediately } from 'node:timers/promises';
import { SpanKind, SpanStatusCode } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { expect, test } from 'vitest';
import type { CallHeaders } from '../../../src/base/call-headers.ts';
import { parseTenantId } from '../../../src/base/ids.ts';
import type { EngineObserver } from '../../../src/operations/observer.ts';
import type { KeyCall } from '../../../src/telemetry/span-key-call.ts';
import { Tracing } from '../../../src/telemetry/tracing.ts';

const tenant = parseTenantId('acme');
const method = { service: 'test.Service', name: 'Call' };
const traceId = '0af7651916cd43dd8448eb211c80319c';
const from = (flags: string, state = ''): CallHeaders => {
  const headers = { traceparent: [`00-${traceId}-b7ad6b7169203331-${flags}`], tracestate: state === '' ? [] : [state] };
  return (name) => headers[name];
};
const sampled = from('01');

function openScene(sampleRatio = 0, random = Math.random) {
  const ended: ReadableSpan[] = [];
  const told: unknown[][] = [];
  const sender = {
    ...{ onStart() {}, onEnd: (span: ReadableSpan) => ended.push(span) },
    ...{ forceFlush: async () => {}, shutdown: async () => {} },
  };
  const tracing = new Tracing({ sampleRatio, random, resource: {}, sender });
  const observer = { handled: (...all: unknown[]) => told.push(all) };
  const engine: EngineObserver = {
    ...{ cacheAsked: (...all) => told.push(all), dekGenerated() {}, failedOver() {} },
    ...{ decryptionEnded() {}, accessDenied() {}, operationFailed() {} },
  };
  return { tracing, ended, told, observer, calls: tracing.calls(observer), engine: tracing.engine(engine) };
}

const keyCall: KeyCall = { tenant: 'acme', provider: 'vault', operation: 'unwrap', way: 'live' };
const named = (ended: readonly ReadableSpan[], name: string) => ended.find((span) => span.name === name);

test('steps of a call belong to it, also behind a wait and beside another call', async () => {
  const { calls, engine, ended } = openScene();
  const [one, other] = [calls.begin(method, sampled), calls.begin(method, sampled)];
  await Promise.all([
    one.run(async () => {
      await immediately();
      engine.cacheAsked(tenant, 'unwrap', 'hit');
    }),
    other.run(async () => {
      await immediately();
      engine.cacheAsked(tenant, 'unwrap', 'miss');
    }),
  ]);
  one.observer.handled(method, 'OK', 0.1);
  other.observer.handled(method, 'OK', 0.1);
  expect(ended.map(({ attributes }) => attributes['keyproxy.cache.result'])).toEqual(['hit', 'miss']);
  expect(ended.map((span) => span.spanContext().traceId)).toEqual([traceId, traceId]);
});

test('a call that is not sampled has the observer that all have, and no span of the call that it comes in', () => {
  const { calls, engine, ended, observer } = openScene();
  const one = calls.begin(method, sampled);
  one.run(() => {
    const quiet = calls.begin(method, from('00'));
    expect(quiet.observer).toBe(observer);
    quiet.run(() => engine.cacheAsked(tenant, 'unwrap', 'miss'));
  });
  one.observer.handled(method, 'OK', 0.1);
  expect(ended.map(({ attributes }) => attributes['keyproxy.cache.result'])).toEqual([undefined]);
});

test('what the observers are told goes on to those that were there before', () => {
  const { calls, engine, told } = openScene();
  const one = calls.begin(method, sampled);
  one.run(() => engine.cacheAsked(tenant, 'unwrap', 'hit'));
  one.observer.handled(method, 'UNAVAILABLE', 0.1, 'KEY_SERVICE_UNAVAILABLE');
  expect(told).toEqual([
    [tenant, 'unwrap', 'hit'],
    [method, 'UNAVAILABLE', 0.1, 'KEY_SERVICE_UNAVAILABLE'],
  ]);
});

test.each([
  ['OK', undefined, SpanStatusCode.UNSET],
  ['INVALID_ARGUMENT', 'DECRYPT_FAILED', SpanStatusCode.UNSET],
  ['UNAVAILABLE', 'KEY_SERVICE_UNAVAILABLE', SpanStatusCode.ERROR],
  ['INTERNAL', 'INTERNAL', SpanStatusCode.ERROR],
] as const)('a call that ends with %s says so', (code, reason, status) => {
  const { calls, ended } = openScene();
  calls.begin(method, sampled).observer.handled(method, code, 0.1, reason);
  const [span] = ended;
  expect(span?.kind).toBe(SpanKind.SERVER);
  expect(span?.status.code).toBe(status);
  expect(span?.attributes).toEqual({
    'rpc.system.name': 'grpc',
    'rpc.method': 'test.Service/Call',
    'rpc.response.status_code': code,
    ...(reason !== undefined && { 'error.type': reason }),
  });
});

test.each([
  [0, 0],
  [0.25, 25],
  [1, 100],
])('without a trace of the caller a ratio of %d decides', (ratio, count) => {
  let drawn = 0;
  const { calls, ended } = openScene(ratio, () => (drawn++ % 100) / 100);
  for (let index = 0; index < 100; index++) calls.begin(method, () => []).observer.handled(method, 'OK', 0);
  expect(ended).toHaveLength(count);
  expect(new Set(ended.map((span) => span.spanContext().traceId)).size).toBe(count);
});

test.each(['00', '02', 'fe'])('a caller who does not sample, with flags %s, starts no trace at any ratio', (flags) => {
  const { calls, ended } = openScene(1);
  calls.begin(method, from(flags)).observer.handled(method, 'OK', 0);
  expect(ended).toEqual([]);
});

test('two traceparents are none', () => {
  const { calls, ended } = openScene();
  const twice: CallHeaders = (name) => [...sampled(name), ...sampled(name)];
  calls.begin(method, twice).observer.handled(method, 'OK', 0);
  expect(ended).toEqual([]);
});

test('a call to a key service is a part of the call that needs it, with its attempts as events', async () => {
  const { tracing, calls, ended } = openScene();
  const one = calls.begin(method, sampled);
  const work = one.run(() =>
    tracing.keyCall(
      keyCall,
      async () => {
        tracing.attempted({ outcome: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' });
        tracing.attempted({ outcome: 'ok' });
        return 'key';
      },
      () => ({ outcome: 'ok', requestId: 'id-1' }),
    ),
  );
  expect(await work).toBe('key');
  one.observer.handled(method, 'OK', 0);
  const [span, server] = [named(ended, 'unwrap vault'), named(ended, 'test.Service/Call')];
  expect(span?.parentSpanContext?.spanId).toBe(server?.spanContext().spanId);
  expect(span?.kind).toBe(SpanKind.CLIENT);
  expect(span?.attributes).toMatchObject({ 'keyproxy.kms.outcome': 'ok', 'keyproxy.kms.request_id': 'id-1' });
  expect(span?.events.map(({ attributes }) => attributes?.['keyproxy.kms.outcome'])).toEqual(['outage', 'ok']);
  expect(server?.events).toEqual([]);
});

test('one that fails throws what it threw, and its span says how', async () => {
  const { tracing, calls, ended } = openScene();
  const one = calls.begin(method, sampled);
  const failure = new Error('no');
  const work = one.run(() =>
    tracing.keyCall(
      keyCall,
      () => Promise.reject(failure),
      (error) => ({ outcome: error === failure ? 'refusal' : 'ok', reason: 'KEY_DISABLED' }),
    ),
  );
  await expect(work).rejects.toBe(failure);
  expect(ended[0]?.status).toEqual({ code: SpanStatusCode.ERROR });
  expect(ended[0]?.attributes).toMatchObject({ 'keyproxy.kms.outcome': 'refusal', 'error.type': 'KEY_DISABLED' });
});

test('a call that is not traced has no span for what it asks of a key service', async () => {
  const { tracing, calls, ended } = openScene(1);
  const quiet = calls.begin(method, from('00'));
  await quiet.run(() =>
    tracing.keyCall(
      keyCall,
      async () => {},
      () => ({ outcome: 'ok' }),
    ),
  );
  expect(ended).toEqual([]);
});

test('what no caller waits for has a trace of its own, with a link to the call that set it off', async () => {
  const { tracing, calls, ended } = openScene(1);
  const one = calls.begin(method, sampled);
  await one.run(() =>
    tracing.keyCall(
      { ...keyCall, way: 'background' },
      async () => {},
      () => ({ outcome: 'ok' }),
    ),
  );
  one.observer.handled(method, 'OK', 0);
  const [span, server] = [named(ended, 'unwrap vault'), named(ended, 'test.Service/Call')];
  expect(span?.spanContext().traceId).not.toBe(traceId);
  expect(span?.links.map(({ context }) => context.spanId)).toEqual([server?.spanContext().spanId]);
});

test('nothing is added to a call that is over', async () => {
  const { tracing, calls, engine, ended } = openScene();
  const one = calls.begin(method, sampled);
  await one.run(async () => {
    one.observer.handled(method, 'OK', 0);
    await immediately();
    engine.cacheAsked(tenant, 'unwrap', 'hit');
    await tracing.keyCall(
      keyCall,
      async () => {},
      () => ({ outcome: 'ok' }),
    );
  });
  expect(ended.map(({ name }) => name)).toEqual(['test.Service/Call']);
  expect(ended[0]?.attributes).not.toHaveProperty('keyproxy.cache.result');
});

test('a verb tells whose call it is, where that can be a name of a tenant', async () => {
  const { tracing, calls, ended } = openScene();
  const verb = tracing.verb(async (_caller: unknown, request: { tenantId: string }) => request.tenantId);
  for (const tenantId of ['acme', 'not a name']) {
    const one = calls.begin(method, sampled);
    expect(await one.run(() => verb('caller', { tenantId }, new AbortController().signal))).toBe(tenantId);
    one.observer.handled(method, 'OK', 0);
  }
  expect(ended.map(({ attributes }) => attributes['keyproxy.tenant'])).toEqual(['acme', undefined]);
});

test('whoever joins a flight has a link to the call that began it, and none once it has ended', async () => {
  const { tracing, calls, ended } = openScene();
  const works = new Map<string, Promise<string>>();
  const flights = tracing.flights<string>({
    has: (key) => works.has(key),
    join(key, work) {
      const flight = works.get(key) ?? work();
      works.set(key, flight);
      return flight;
    },
  });
  const { signal } = new AbortController();
  const gate = Promise.withResolvers<string>();
  const [first, second, late] = [1, 2, 3].map(() => calls.begin(method, sampled));
  const one = first?.run(() => flights.join('key', () => gate.promise, signal));
  const two = second?.run(() => flights.join('key', () => gate.promise, signal));
  gate.resolve('done');
  expect(await Promise.all([one, two])).toEqual(['done', 'done']);
  works.clear();
  await late?.run(() => flights.join('key', async () => 'again', signal));
  for (const each of [first, second, late]) each?.observer.handled(method, 'OK', 0);
  const [begun, joined, again] = ended;
  expect(begun?.links).toEqual([]);
  expect(joined?.links.map(({ context }) => context.spanId)).toEqual([begun?.spanContext().spanId]);
  expect(again?.links).toEqual([]);
});

test('a flight whose first call is over tells what it asks of a key service in a trace of its own, with links to its calls', async () => {
  const { tracing, calls, ended } = openScene();
  const works = new Map<string, Promise<string>>();
  const flights = tracing.flights<string>({
    has: (key) => works.has(key),
    join(key, work) {
      const flight = works.get(key) ?? work();
      works.set(key, flight);
      return flight;
    },
  });
  const { signal } = new AbortController();
  const [opened, behind] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const ask = () =>
    tracing.keyCall(
      keyCall,
      async () => 'key',
      () => ({ outcome: 'ok' }),
    );
  let left: Promise<string> | undefined;
  const work = async () => {
    left = behind.promise.then(ask);
    await opened.promise;
    return await ask();
  };
  const [first, second] = [calls.begin(method, sampled), calls.begin(method, sampled)];
  const one = first.run(() => flights.join('key', work, signal));
  const two = second.run(() => flights.join('key', work, signal));
  first.observer.handled(method, 'CANCELLED', 0);
  opened.resolve();
  expect(await Promise.all([one, two])).toEqual(['key', 'key']);
  second.observer.handled(method, 'OK', 0);
  behind.resolve();
  await left;
  expect(ended.map(({ name }) => name)).toEqual(['test.Service/Call', 'unwrap vault', 'test.Service/Call']);
  const [gone, asked, waited] = ended;
  expect(asked?.parentSpanContext).toBeUndefined();
  expect(asked?.spanContext().traceId).not.toBe(traceId);
  const idOf = (span: ReadableSpan | undefined) => span?.spanContext().spanId;
  expect(asked?.links.map(({ context }) => context.spanId)).toEqual([idOf(gone), idOf(waited)]);
  expect(waited?.links.map(({ context }) => context.spanId)).toEqual([idOf(gone)]);
});
