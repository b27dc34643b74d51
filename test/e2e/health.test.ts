/** What probes, scrapers and tools see: health, reflection, the HTTP endpoint, and metrics that count what happened. */
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, methodOf } from '../support/client.ts';
import { definitionOf } from '../support/client-definitions.ts';
import { errorTold } from '../support/client-errors.ts';
import { readMetrics } from '../support/client-metrics.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { connectRaw, type RawConnection, unframed } from '../support/raw-http2.ts';

const [serving, notServing, serviceUnknown] = ['SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];
const service = 'keyproxy.v1.KeyProxy';

let daemon: Daemon;
let raw: RawConnection;
beforeAll(async () => {
  daemon = await startDaemon();
  raw = connectRaw({ tcp: daemon.tcp }, 'localhost');
});
afterAll(async () => {
  raw[Symbol.dispose]();
  await daemon[Symbol.asyncDispose]();
});

async function ask<T>(path: string, request: object): Promise<{ code: number; reason: string; answers: T[] }> {
  const { requestSerialize, responseDeserialize } = definitionOf(path);
  const end = await raw.call({ path, messages: [requestSerialize(request)] });
  const { reason } = errorTold(end.code, end.message, end.details);
  return { code: end.code, reason, answers: end.messages.map((message) => responseDeserialize(message) as T) };
}

describe('grpc.health.v1.Health', () => {
  test.each(['', service])('Check says SERVING for %j', async (name) => {
    const { code, answers } = await ask('/grpc.health.v1.Health/Check', { service: name });
    expect(code).toBe(status.OK);
    expect(answers).toMatchObject([{ status: serving }]);
  });

  test('Check says NOT_FOUND for a service that is not offered', async () => {
    const { code, reason } = await ask('/grpc.health.v1.Health/Check', { service: 'keyproxy.v2.KeyProxy' });
    expect({ code, reason }).toEqual({ code: status.NOT_FOUND, reason: 'SERVICE_UNKNOWN' });
  });

  test('Watch says SERVICE_UNKNOWN for such a service, and stays open', async () => {
    const { path, requestSerialize } = definitionOf('/grpc.health.v1.Health/Watch');
    const stream = raw.open({ path, messages: [requestSerialize({ service: 'nobody' })] });
    const first = await new Promise<Buffer>((done) => stream.once('data', done));
    expect(watched([first])).toEqual([serviceUnknown]);
    expect(stream.closed).toBe(false);
    stream.close();
  });

  test('Watch sees NOT_SERVING when the daemon drains, then the end, and the daemon exits with 0', async () => {
    await using draining = await startDaemon();
    using connection = connectRaw({ tcp: draining.tcp }, 'localhost');
    const { path, requestSerialize } = definitionOf('/grpc.health.v1.Health/Watch');
    const stream = connection.open({ path, messages: [requestSerialize({ service })] });
    const chunks: Buffer[] = [];
    const first = new Promise((done) => stream.once('data', done));
    stream.on('data', (chunk) => chunks.push(chunk));
    await first;
    const closed = new Promise((done) => stream.once('close', done));
    const start = Date.now();
    expect(await draining.stop()).toBe(0);
    expect(Date.now() - start).toBeLessThan(5000);
    await closed;
    expect(watched(chunks)).toEqual([serving, notServing]);
  });
});

/** The answers of a watch by name. */
function watched(chunks: readonly Buffer[]): unknown[] {
  const { responseDeserialize } = definitionOf('/grpc.health.v1.Health/Watch');
  return unframed(Buffer.concat(chunks)).map((message) => (responseDeserialize(message) as { status: unknown }).status);
}

interface Reflected {
  readonly list_services_response?: { readonly service: readonly { readonly name: string }[] };
  readonly file_descriptor_response?: { readonly file_descriptor_proto: readonly Buffer[] };
  readonly error_response?: { readonly error_code: number };
}

describe.each(['v1', 'v1alpha'])('grpc.reflection.%s', (version) => {
  const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;

  test('lists the services', async () => {
    const { answers } = await ask<Reflected>(path, { list_services: '*' });
    const names = answers.flatMap((answer) => answer.list_services_response?.service ?? []).map(({ name }) => name);
    expect(names).toEqual(
      expect.arrayContaining([service, 'grpc.health.v1.Health', `grpc.reflection.${version}.ServerReflection`]),
    );
  });

  test.each([
    { file_containing_symbol: service },
    { file_containing_symbol: `${service}.Encrypt` },
    { file_containing_symbol: 'keyproxy.v1.KeyInfo' },
    { file_by_filename: 'keyproxy/v1/keyproxy.proto' },
  ])('gives the file for %j, with all that it imports', async (question) => {
    const { answers } = await ask<Reflected>(path, question);
    const files = answers.flatMap((answer) => answer.file_descriptor_response?.file_descriptor_proto ?? []);
    const all = files.map((file) => file.toString('latin1'));
    expect(all.some((file) => file.includes('keyproxy/v1/keyproxy.proto'))).toBe(true);
    expect(all.some((file) => file.includes('google/protobuf/timestamp.proto'))).toBe(true);
  });

  test('says NOT_FOUND for a symbol of nobody, and answers on', async () => {
    const { requestSerialize, responseDeserialize } = definitionOf(path);
    const questions = [{ file_containing_symbol: 'nobody.Nothing' }, { list_services: '' }].map(requestSerialize);
    const end = await raw.call({ path, messages: questions });
    const [refused, listed] = end.messages.map((message) => responseDeserialize(message) as Reflected);
    expect(refused?.error_response?.error_code).toBe(status.NOT_FOUND);
    expect(listed?.list_services_response?.service.length).toBeGreaterThan(2);
  });
});

describe('the HTTP endpoint', () => {
  test.each([
    ['/livez', 200],
    ['/readyz', 200],
    ['/metrics', 200],
    ['/', 404],
    ['/metrics/..', 404],
    ['/keyproxy.v1.KeyProxy/Encrypt', 404],
    ['/v1/encrypt', 404],
    ['/debug', 404],
  ])('answers GET %s with %i', async (path, code) => {
    const answer = await fetch(daemon.http + path);
    expect(answer.status).toBe(code);
    await answer.text();
  });

  test('has no key operation: a call of one over its wire is refused, whatever its form', async () => {
    const { path, requestSerialize } = methodOf('GenerateDEK');
    const headers = { 'content-type': 'application/grpc', 'keyproxy-request': 'true' };
    for (const at of [path, '/metrics', '/livez']) {
      const body = Uint8Array.from(requestSerialize({ tenant_id: 'demo' }));
      const answer = await fetch(daemon.http + at, { method: 'POST', headers, body });
      expect(answer.status).toBe(405);
      expect(await answer.text()).toBe('only GET is answered here\n');
    }
    using wire = connectRaw({ tcp: daemon.http.slice('http://'.length) }, 'localhost');
    const call = wire.call({ path, messages: [requestSerialize({ tenant_id: 'demo' })], headers });
    await expect(call).rejects.toThrow('the connection broke');
  });

  test('the metrics have the names that dashboards rely on', async () => {
    const text = await (await fetch(`${daemon.http}/metrics`)).text();
    for (const name of [
      ...['grpc_server_started_total', 'grpc_server_handled_total', 'grpc_server_handling_seconds'],
      ...['keyproxy_dek_cache_requests_total', 'keyproxy_dek_cache_entries', 'keyproxy_dek_cache_evictions_total'],
      ...['keyproxy_dek_generation_seconds', 'keyproxy_decrypt_requests_total', 'keyproxy_decrypt_failures_total'],
      ...['keyproxy_kms_requests_total', 'keyproxy_kms_request_seconds', 'keyproxy_tenant_state'],
      ...['keyproxy_credential_expiry_timestamp_seconds', 'keyproxy_config_reloads_total', 'keyproxy_build_info'],
    ]) {
      expect(text).toContain(`# TYPE ${name} `);
    }
  });
});

test('the metrics of a known traffic are what its client counted', async () => {
  await using counted = await startDaemon();
  using client = connect(counted.socket);
  // Prometheus does not see what a series begins with: what tells of failures is there before the first call.
  const before = await (await fetch(`${counted.http}/metrics`)).text();
  for (const zero of [
    `grpc_server_handled_total{grpc_service="${service}",grpc_method="Encrypt",grpc_type="unary",grpc_code="INTERNAL"} 0`,
    'keyproxy_kms_requests_total{provider="local",operation="generate",outcome="outage"} 0',
    'keyproxy_access_denied_total{operation="encrypt"} 0',
  ]) {
    expect(before.split('\n')).toContain(zero);
  }

  const request = { tenant_id: 'demo', encryption_context: { purpose: 'counted' } };
  const plaintext = Buffer.from('x');

  const encrypted = await Promise.all(
    Array.from({ length: 10 }, () => client.call<{ ciphertext: Buffer }>('Encrypt', { ...request, plaintext })),
  );
  const ciphertext = encrypted[0]?.ciphertext ?? Buffer.alloc(0);
  for (let i = 0; i < 7; i++) await client.call('Decrypt', { ...request, ciphertext });
  for (let i = 0; i < 3; i++) await client.error('Decrypt', { ...request, ciphertext: ciphertext.subarray(1) });
  const made = await client.call<{ wrapped_dek: Buffer }>('GenerateDEK', { ...request, source: 'DEK_SOURCE_KMS' });
  for (let i = 0; i < 4; i++) await client.call('Unwrap', { ...request, wrapped_dek: made.wrapped_dek });
  await client.error('Unwrap', { tenant_id: 'demo-2', wrapped_dek: made.wrapped_dek });
  for (let i = 0; i < 2; i++) await client.error('Encrypt', { tenant_id: 'nobody', plaintext });
  await client.error('Encrypt', { ...request, plaintext: Buffer.alloc(9 << 20) });

  const metrics = await readMetrics(counted.http);
  const handled = (grpc_method: string, grpc_code: string) =>
    metrics.sum('grpc_server_handled_total', { grpc_service: service, grpc_method, grpc_code });
  expect({
    encryptOk: handled('Encrypt', 'OK'),
    encryptUnknown: handled('Encrypt', 'NOT_FOUND'),
    encryptTooLarge: handled('Encrypt', 'RESOURCE_EXHAUSTED'),
    decryptOk: handled('Decrypt', 'OK'),
    decryptFailed: handled('Decrypt', 'INVALID_ARGUMENT'),
    generateOk: handled('GenerateDEK', 'OK'),
    unwrapOk: handled('Unwrap', 'OK'),
    unwrapFailed: handled('Unwrap', 'INVALID_ARGUMENT'),
  }).toEqual({
    ...{ encryptOk: 10, encryptUnknown: 2, encryptTooLarge: 1, decryptOk: 7, decryptFailed: 3 },
    ...{ generateOk: 1, unwrapOk: 4, unwrapFailed: 1 },
  });
  for (const name of ['grpc_server_started_total', 'grpc_server_handling_seconds_count']) {
    expect(metrics.sum(name, { grpc_service: service })).toBe(29);
  }
  const cache = (operation: string, result: string) =>
    metrics.sum('keyproxy_dek_cache_requests_total', { tenant: 'demo', operation, result });
  expect(cache('encrypt', 'miss')).toBe(1);
  // Those that came while the first was being fetched are coalesced, those after it are hits.
  expect(cache('encrypt', 'hit') + cache('encrypt', 'coalesced')).toBe(9);
  expect([cache('decrypt', 'hit'), cache('decrypt', 'miss'), cache('unwrap', 'hit')]).toEqual([7, 0, 4]);
  expect(metrics.sum('keyproxy_decrypt_requests_total', { tenant: 'demo' })).toBe(7 + 3 + 4);
  expect(metrics.sum('keyproxy_decrypt_failures_total', { tenant: 'demo', reason: 'DECRYPT_FAILED' })).toBe(3);
  expect(metrics.sum('keyproxy_decrypt_failures_total', { tenant: 'demo-2' })).toBe(1);
  const kms = (operation: string, outcome: string) =>
    metrics.sum('keyproxy_kms_requests_total', { provider: 'local', operation, outcome });
  // One root, one data key straight from the key service, one unwrap that another tenant tried.
  expect([kms('generate', 'ok'), kms('unwrap', 'ok'), kms('unwrap', 'fault')]).toEqual([2, 0, 1]);
});
