/** The same round trip from the clients that people have, over both wires, against the real daemon. */
import { execFileSync, spawnSync } from 'node:child_process';
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, methodOf } from '../support/client.ts';
import { definitionOf } from '../support/client-definitions.ts';
import { errorTold, toldBy } from '../support/client-errors.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { connectRaw, type Place, type RawConnection } from '../support/raw-http2.ts';

const marked = { 'keyproxy-request': 'true' };
const request = { tenant_id: 'demo', encryption_context: { purpose: 'orders' } };
const plaintext = Buffer.from('{"order":17}');

let daemon: Daemon;
beforeAll(async () => {
  daemon = await startDaemon();
});
afterAll(() => daemon[Symbol.asyncDispose]());

const wires: readonly { wire: 'unix' | 'tcp'; target: () => string; place: () => Place }[] = [
  { wire: 'unix', target: () => daemon.socket, place: () => ({ socket: socketPath() }) },
  { wire: 'tcp', target: () => daemon.tcp, place: () => ({ tcp: daemon.tcp }) },
];

function socketPath(): string {
  return daemon.socket.slice('unix:'.length);
}

describe.each(wires)('over $wire', ({ wire, target, place }) => {
  test('grpc-js encrypts and decrypts, generates and unwraps', async () => {
    using client = connect(target());
    const { ciphertext } = await client.call<{ ciphertext: Buffer }>('Encrypt', { ...request, plaintext });
    const opened = await client.call('Decrypt', { ...request, ciphertext });
    expect(opened).toMatchObject({ plaintext, encryption_context: { purpose: 'orders', tenant_id: 'demo' } });
    const made = await client.call<{ plaintext: Buffer; wrapped_dek: Buffer }>('GenerateDEK', request);
    const unwrapped = await client.call('Unwrap', { ...request, wrapped_dek: made.wrapped_dek });
    expect(made.plaintext).toHaveLength(32);
    expect(unwrapped).toMatchObject({ plaintext: made.plaintext, key: { provider: 'local' } });
  });

  // What grpc-go, C++ and Ruby put there for a Unix socket, what clients put there for TCP, and what nobody should.
  test.each([
    ['localhost', () => 'localhost'],
    ['the percent-encoded path of the socket', () => encodeURIComponent(socketPath())],
    ['the address', () => daemon.tcp],
    ['a name with a port of nobody', () => 'keyproxy.svc:1'],
  ])('a client written by hand that sends %s as its authority is served', async (_name, authority) => {
    using raw = connectRaw(place(), authority());
    expect(await rawRoundTrip(raw)).toEqual(plaintext);
  });

  pythonTest('grpcio encrypts and decrypts', () => {
    const output = execFileSync(python, ['-c', pythonRoundTrip, target(), plaintext.toString('hex')], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    expect(output.trim()).toBe(plaintext.toString('hex'));
  });

  test(`a call without the metadata is ${wire === 'tcp' ? 'refused' : 'served'}`, async () => {
    using client = connect(target(), {});
    using impostor = connect(target(), { 'keyproxy-request': 'yes' });
    if (wire === 'unix') {
      await client.call('Encrypt', { ...request, plaintext });
      return;
    }
    for (const unmarked of [client, impostor]) {
      const told = toldBy(await unmarked.error('Encrypt', { ...request, plaintext }));
      expect(told).toMatchObject({ code: status.PERMISSION_DENIED, domain: 'keyproxy', reason: 'REQUEST_UNMARKED' });
      expect(told.message).toContain('keyproxy-request: true');
    }
  });

  test('probes and reflection need no metadata', async () => {
    using raw = connectRaw(place(), 'localhost');
    const check = definitionOf('/grpc.health.v1.Health/Check');
    const health = await raw.call({ path: check.path, messages: [check.requestSerialize({ service: '' })] });
    expect(health.code).toBe(status.OK);
    const info = definitionOf('/grpc.reflection.v1.ServerReflection/ServerReflectionInfo');
    const listed = await raw.call({ path: info.path, messages: [info.requestSerialize({ list_services: '' })] });
    expect(listed.code).toBe(status.OK);
    expect(listed.messages).toHaveLength(1);
  });

  test('a marked call by hand has its refusal in the trailers', async () => {
    using raw = connectRaw(place(), 'localhost');
    const messages = [methodOf('Encrypt').requestSerialize({ tenant_id: 'nobody', plaintext })];
    const end = await raw.call({ path: '/keyproxy.v1.KeyProxy/Encrypt', messages, headers: marked });
    const told = errorTold(end.code, end.message, end.details);
    expect(end.status).toBe(200);
    expect(told).toMatchObject({ code: status.NOT_FOUND, reason: 'TENANT_UNKNOWN', domain: 'keyproxy' });
  });
});

async function rawRoundTrip(raw: RawConnection): Promise<unknown> {
  const { ciphertext } = await rawCall<{ ciphertext: Buffer }>(raw, 'Encrypt', { ...request, plaintext });
  return (await rawCall<{ plaintext: Buffer }>(raw, 'Decrypt', { ...request, ciphertext })).plaintext;
}

async function rawCall<T>(raw: RawConnection, name: string, message: object): Promise<T> {
  const { path, requestSerialize, responseDeserialize } = methodOf(name);
  const end = await raw.call({ path, messages: [requestSerialize(message)], headers: marked });
  expect(end).toMatchObject({ status: 200, code: status.OK, messages: { length: 1 } });
  return responseDeserialize(end.messages[0] ?? Buffer.alloc(0)) as T;
}

const python = process.env['PYTHON'] ?? 'python3';

/** Needs no generated code: requests of two fields, whose bytes it writes itself. */
const pythonRoundTrip = `
import sys, grpc
target, plaintext = sys.argv[1], bytes.fromhex(sys.argv[2])
def varint(n):
    return bytes([n]) if n < 128 else bytes([n & 127 | 128]) + varint(n >> 7)
def field(number, value):
    return bytes([number << 3 | 2]) + varint(len(value)) + value
def first(message):
    length, shift, at = 0, 0, 1
    while True:
        length |= (message[at] & 127) << shift
        shift, at = shift + 7, at + 1
        if message[at - 1] < 128:
            return message[at:at + length]
with grpc.insecure_channel(target) as channel:
    def call(name, data):
        method = channel.unary_unary('/keyproxy.v1.KeyProxy/' + name)
        metadata = [('keyproxy-request', 'true')]
        return first(method(field(1, b'demo') + field(2, data), metadata=metadata, timeout=20))
    print(call('Decrypt', call('Encrypt', plaintext)).hex())
`;

/** A test where the interpreter has grpcio; elsewhere its name says why it does not run. */
function pythonTest(name: string, run: () => void): void {
  const probe = spawnSync(python, ['-c', 'import grpc'], { stdio: 'ignore' });
  if (probe.status === 0) test(`Python ${name}`, run);
  else test.skip(`Python ${name} (skipped: ${python} cannot import grpc; set PYTHON)`, run);
}
