/** The example client against a server that is not keyproxy: what grpc-mock plays by rules. */
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { KeyProxyClient, Refused } from '../../examples/node/keyproxy-client.ts';
import { freePort } from '../support/daemon.ts';

interface MockServer {
  readonly server: {
    bindAsync(address: string, credentials: unknown, done: (error: Error | null) => void): void;
    forceShutdown(): void;
  };
  close(): void;
}

interface GrpcMock {
  createMockServer(options: object): MockServer;
}

interface Grpc {
  readonly ServerCredentials: { createInsecure(): unknown };
}

const require = createRequire(import.meta.url);
// Neither package has types; the parts in use are those of their READMEs.
const { createMockServer } = require('grpc-mock') as GrpcMock;
const { ServerCredentials } = require('grpc') as Grpc;

const rules = [
  { method: 'Encrypt', input: '"tenant_id":"known"', output: { key: { provider: 'local', key_id: 'played' } } },
  { method: 'Encrypt', input: '"tenant_id":"busy"', error: { code: 14, message: 'try later' } },
  {
    method: 'Encrypt',
    input: '"tenant_id":"garbled"',
    error: { code: 9, message: 'no', metadata: { 'x-detail': 'not the details of a status' } },
  },
];

let mock: MockServer;
let target: string;

beforeAll(async () => {
  target = `127.0.0.1:${await freePort()}`;
  mock = createMockServer({
    protoPath: 'keyproxy/v1/keyproxy.proto',
    packageName: 'keyproxy.v1',
    serviceName: 'KeyProxy',
    options: { keepCase: true, includeDirs: [resolve(import.meta.dirname, '../../proto')] },
    rules,
  });
  // The mock's own `listen` is made for the retired native `grpc`; its server has the current call.
  await new Promise<void>((done, fail) => {
    mock.server.bindAsync(target, ServerCredentials.createInsecure(), (error) => (error ? fail(error) : done()));
  });
});

afterAll(() => mock.server.forceShutdown());

function encryptFor(tenant: string) {
  const client = new KeyProxyClient(target);
  const request = { tenant_id: tenant, plaintext: Buffer.from('x') };
  return client.call('Encrypt', request).finally(() => client[Symbol.dispose]());
}

test('an answer with fields left out has their defaults', async () => {
  const answer = await encryptFor('known');
  expect(answer.key).toEqual({ provider: 'local', key_id: 'played', key_version: '' });
  expect(answer.ciphertext.length).toBe(0);
});

test.each([
  ['busy', 'UNAVAILABLE', 'try later'],
  ['garbled', 'FAILED_PRECONDITION', 'no'],
])('a refusal without ErrorInfo (%s) keeps its code and has no reason', async (tenant, code, message) => {
  const refused = await encryptFor(tenant).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(refused).toBeInstanceOf(Refused);
  expect(refused).toMatchObject({ code, message, reason: undefined, metadata: {} });
});
