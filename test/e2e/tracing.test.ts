/** Traces of a real daemon at a real collector: whose trace a call joins, what its spans say, and what they do not. */
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AwsSimulator, startAwsSimulator } from '../simulators/aws/server.ts';
import { awsTenant } from '../support/aws-tenant.ts';
import { connect } from '../support/client.ts';
import { type Daemon, type DaemonOptions, startDaemon } from '../support/daemon.ts';
import { type DaemonFolder, daemonFolder, localTenant } from '../support/daemon-folder.ts';
import { type Collector, type ReceivedSpan, startCollector } from '../support/otlp-collector.ts';

const service = 'keyproxy.v1.KeyProxy';
const attempt = 'keyproxy.kms.attempt';

/** The caller's own span. */
function callersSpan(flags = '01') {
  const [traceId, spanId] = [randomBytes(16).toString('hex'), randomBytes(8).toString('hex')];
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-${flags}` };
}

const context = () => ({ purpose: randomBytes(8).toString('hex') });

interface Made {
  readonly wrapped_dek: Buffer;
  readonly plaintext: Buffer;
}

/** Tenants with a key of their own each, so that what befalls one meets no other test. */
const tenants = ['acme', 'slow', 'broken'] as const;

describe.each(['native', 'grpc-js'])('over %s', (transport) => {
  const stack = new AsyncDisposableStack();
  let aws: AwsSimulator;
  let collector: Collector;
  let daemon: Daemon;

  beforeAll(async () => {
    aws = stack.use(await startAwsSimulator());
    collector = stack.use(await startCollector());
    const keys = tenants.map((id) => [id, aws.createKey().arn] as const);
    const { slow, broken } = Object.fromEntries(keys);
    aws.faults.add({ keyArn: slow, fault: { kind: 'latency', ms: 300 } });
    aws.faults.add({ keyArn: broken, fault: { kind: 'error', code: 'KMSInternalException', status: 500 } });
    const files = keys.map(([id, keyArn]) => [`${id}.yaml`, awsTenant(aws, { id, keyArn })]);
    const folder = stack.use(
      await daemonFolder({
        extra: `trusted_endpoints: ["${aws.endpoint}"]
tracing: { endpoint: "${collector.endpoint}", sample_ratio: 0 }`,
        listener: `transport: ${transport}`,
        tenants: Object.fromEntries(files),
      }),
    );
    const { accessKeyId, secretAccessKey } = aws.platform;
    const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
    daemon = stack.use(await startDaemon({ ...folder.start, env }));
  });
  afterAll(() => stack.disposeAsync());

  /** Makes a call with these headers. */
  async function call<T = object>(method: string, request: object, headers: Record<string, string>): Promise<T> {
    using client = connect(daemon.socket, headers);
    return await client.call<T>(method, request);
  }

  const traceOf = (traceId: string, count: number): Promise<readonly ReceivedSpan[]> =>
    collector.until(count, (span) => span.traceId === traceId);

  test.concurrent("a caller's trace goes on in the span of the call, and from there in that of the key service", async () => {
    const { traceId, spanId, traceparent } = callersSpan();
    const request = { tenant_id: 'acme', encryption_context: context() };
    await call('GenerateDEK', request, { traceparent, tracestate: 'vendor=1' });
    const spans = await traceOf(traceId, 2);
    const server = spans.find(({ kind }) => kind === 'server');
    const client = spans.find(({ kind }) => kind === 'client');
    expect(spans).toHaveLength(2);
    expect(server).toMatchObject({
      ...{ name: `${service}/GenerateDEK`, parentSpanId: spanId, traceState: 'vendor=1', isError: false },
      attributes: {
        'rpc.system.name': 'grpc',
        'rpc.method': `${service}/GenerateDEK`,
        'rpc.response.status_code': 'OK',
        'keyproxy.tenant': 'acme',
      },
      resource: { 'service.name': 'keyproxy', 'deployment.environment.name': 'test' },
    });
    expect(client).toMatchObject({
      ...{ name: 'generate aws_kms', parentSpanId: server?.spanId, isError: false },
      attributes: {
        'keyproxy.tenant': 'acme',
        'keyproxy.kms.provider': 'aws_kms',
        'keyproxy.kms.operation': 'generate',
        'keyproxy.kms.outcome': 'ok',
        'keyproxy.kms.request_id': expect.toSatisfy((id) => aws.calls.some(({ requestId }) => requestId === id)),
        'server.address': '127.0.0.1',
      },
      events: [{ name: attempt, attributes: { 'keyproxy.kms.outcome': 'ok' } }],
    });
  });

  test.concurrent('the span of a call says what the cache said', async () => {
    const { traceId, traceparent } = callersSpan();
    const encryption_context = context();
    const made = await call<Made>('GenerateDEK', { tenant_id: 'acme', encryption_context }, {});
    const request = { tenant_id: 'acme', encryption_context, wrapped_dek: made.wrapped_dek };
    await call('Unwrap', request, { traceparent });
    const [span] = await traceOf(traceId, 1);
    expect(span?.attributes).toMatchObject({ 'keyproxy.cache.result': 'hit' });
  });

  test.concurrent('attempts that are repeated are events of one span, and a failure has its reason in both spans', async () => {
    const { traceId, traceparent } = callersSpan();
    const request = { tenant_id: 'broken', encryption_context: context() };
    await expect(call('GenerateDEK', request, { traceparent })).rejects.toThrow();
    const spans = await traceOf(traceId, 2);
    const client = spans.find(({ kind }) => kind === 'client');
    expect(client?.events.length).toBeGreaterThan(1);
    for (const span of spans) {
      expect(span).toMatchObject({ isError: true, attributes: { 'error.type': 'KEY_SERVICE_UNAVAILABLE' } });
    }
    expect(client?.attributes['keyproxy.kms.outcome']).toBe('outage');
  });

  test.concurrent('a call that several wait for belongs to the first one’s trace, and the others have a link to it', async () => {
    const request = { tenant_id: 'slow', plaintext: Buffer.from('x'), encryption_context: context() };
    const [first, second] = [callersSpan(), callersSpan()];
    await Promise.all([first, second].map(({ traceparent }) => call('Encrypt', request, { traceparent })));
    const all = await collector.until(3, ({ traceId }) => [first.traceId, second.traceId].includes(traceId));
    const asked = all.filter(({ kind }) => kind === 'client');
    const of = (result: string) => all.filter(({ attributes }) => attributes['keyproxy.cache.result'] === result);
    const [[waited], [joined]] = [of('miss'), of('coalesced')];
    expect(all).toHaveLength(3);
    expect(asked.map(({ parentSpanId }) => parentSpanId)).toEqual([waited?.spanId]);
    expect(joined?.links).toEqual([{ traceId: waited?.traceId, spanId: waited?.spanId }]);
    expect(joined?.traceId).not.toBe(waited?.traceId);
  });

  test.concurrent("a caller's mistake is an error of its own and none of the server's", async () => {
    const { traceId, traceparent } = callersSpan();
    const request = { tenant_id: 'acme', wrapped_dek: randomBytes(80) };
    await expect(call('Unwrap', request, { traceparent })).rejects.toThrow();
    const [span] = await traceOf(traceId, 1);
    expect(span).toMatchObject({
      isError: false,
      attributes: { 'error.type': 'DECRYPT_FAILED', 'keyproxy.tenant': 'acme' },
    });
  });

  test.concurrent('what is no name of a tenant is not told', async () => {
    const { traceId, traceparent } = callersSpan();
    await expect(call('DescribeTenant', { tenant_id: 'a secret?' }, { traceparent })).rejects.toThrow();
    const [span] = await traceOf(traceId, 1);
    expect(span?.attributes).not.toHaveProperty('keyproxy.tenant');
    expect(span?.attributes['error.type']).toBe('TENANT_ID_INVALID');
  });

  test.concurrent('a caller who does not trace, or says nothing that is a trace, starts none at a ratio of 0', async () => {
    const { traceId, spanId, traceparent } = callersSpan('00');
    const upper = `00-${traceId.toUpperCase()}-${spanId.toUpperCase()}-01`;
    const garbage = [
      '',
      'x',
      '00',
      upper,
      `ff-${traceId}-${spanId}-01`,
      `00-${'0'.repeat(32)}-${spanId}-01`,
      '-'.repeat(5000),
    ];
    for (const text of [traceparent, ...garbage]) {
      await call('DescribeTenant', { tenant_id: 'acme' }, { traceparent: text });
    }
    const last = callersSpan();
    await call('DescribeTenant', { tenant_id: 'acme' }, last);
    await traceOf(last.traceId, 1);
    const wrong = collector.spans.filter((span) => span.parentSpanId === '' || span.traceId === traceId);
    expect(wrong).toEqual([]);
  });

  test.concurrent.each([
    ['longer than everybody takes', `vendor=${'x'.repeat(600)}`],
    ['made of rubbish', '=,,=; a b,==,A=1,k'],
    ['of many members', Array.from({ length: 100 }, (_, index) => `k${index}=v`).join(',')],
  ])('a tracestate that is %s is bounded and fails no call', async (_what, tracestate) => {
    const { traceId, traceparent } = callersSpan();
    await call('DescribeTenant', { tenant_id: 'acme' }, { traceparent, tracestate });
    const [span] = await traceOf(traceId, 1);
    expect(span?.traceState.length).toBeLessThanOrEqual(512);
    expect(span?.traceState.split(',').length).toBeLessThanOrEqual(32);
  });
});

/** A daemon with a key in a file, whose calls are all traced. */
async function localDaemon(endpoint: string, settings: Partial<DaemonOptions> = {}) {
  const folder: DaemonFolder = await daemonFolder({
    extra: 'allow_local: true',
    tenants: { 'acme.yaml': localTenant('acme') },
  });
  const env = { KEYPROXY_TRACING_ENDPOINT: endpoint, KEYPROXY_TRACING_SAMPLE_RATIO: '1' };
  const daemon = await startDaemon({ ...folder.start, ...settings, env });
  return {
    daemon,
    async [Symbol.asyncDispose]() {
      await daemon[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const encrypt = { tenant_id: 'acme', plaintext: Buffer.from('x'), encryption_context: { purpose: 'orders' } };

test('what was not sent yet is sent at the end, and probes are not traced', async () => {
  await using collector = await startCollector();
  await using scene = await localDaemon(collector.endpoint, { hardening: 'by itself' });
  using client = connect(scene.daemon.socket);
  await client.call('Encrypt', encrypt);
  expect(await scene.daemon.stop()).toBe(0);
  const names = collector.spans.map(({ name }) => name).sort();
  expect(names).toEqual(['generate local', `${service}/Encrypt`]);
});

test('a collector that never answers slows no call and no end, which is no word about it', async () => {
  await using collector = await startCollector('hangs');
  await using scene = await localDaemon(collector.endpoint);
  const { daemon } = scene;
  using client = connect(daemon.socket);
  const start = performance.now();
  for (let done = 0; done < 10; done++) {
    await Promise.all(Array.from({ length: 50 }, () => client.call('Encrypt', encrypt)));
  }
  expect(performance.now() - start).toBeLessThan(4000);
  expect(collector.bodies.length).toBe(1);
  expect(await daemon.stop()).toBe(0);
  expect(performance.now() - start).toBeLessThan(8000);
  expect(collector.spans).toEqual([]);
  expect(daemon.output()).not.toContain('traces cannot be sent');
});
