/** One short contract for both transports: whichever serves, over whichever wire, clients see the same. */
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, methodOf } from '../support/client.ts';
import { definitionOf } from '../support/client-definitions.ts';
import { errorTold, toldBy } from '../support/client-errors.ts';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { type DaemonFolder, daemonFolder, localTenant } from '../support/daemon-folder.ts';
import { watch } from '../support/drain-scene.ts';
import { FrameClient, prefixed } from '../support/frame-client.ts';
import { data } from '../support/frames.ts';
import { connectRaw, type RawConnection } from '../support/raw-http2.ts';

const demo = { tenant_id: 'demo' };
const plaintext = Buffer.from('{"order":17}');
const mark = { 'keyproxy-request': 'true' };
const limit = 1_000_000;

function daemonFile(transport: string): string {
  return `
environment: test
allow_local: true
listen:
  - { unix: keyproxy.sock, mode: "0600", transport: ${transport} }
  - { tcp: "127.0.0.1:50051", identity: insecure_loopback, transport: ${transport} }
http: { address: "127.0.0.1:9464" }
tenants: { directory: tenants }
policy: policy.yaml
limits: { max_message_bytes: ${limit} }
`;
}

/** The answer to what reads one message and gives one: health, say. */
async function ask(raw: RawConnection, path: string, message: object): Promise<object> {
  const { requestSerialize, responseDeserialize } = definitionOf(path);
  const end = await raw.call({ path, messages: [requestSerialize(message)] });
  expect(end).toMatchObject({ status: 200, code: status.OK, messages: { length: 1 } });
  return responseDeserialize(end.messages[0] ?? Buffer.alloc(0));
}

/** A watch of the health by a client that can give it up. */
function watched(client: Client, deadline?: Date) {
  const { path, requestSerialize, responseDeserialize } = definitionOf('/grpc.health.v1.Health/Watch');
  const options = deadline === undefined ? {} : { deadline };
  const stream = client.makeServerStreamRequest(
    ...[path, requestSerialize, responseDeserialize, { service: '' }, new Metadata(), options],
  );
  const error = new Promise<ServiceError>((done) => stream.once('error', done));
  const first = new Promise<void>((done, fail) => {
    stream.once('data', () => done());
    stream.once('error', fail);
  });
  return { first, error, cancel: () => stream.cancel() };
}

describe.concurrent.each(['native', 'grpc-js'])('the transport %s', (transport) => {
  let folder: DaemonFolder;
  let daemon: Daemon;
  beforeAll(async () => {
    folder = await daemonFolder({ tenants: { 'demo.yaml': localTenant('demo') } });
    await folder.write('keyproxy.yaml', daemonFile(transport));
    daemon = await startDaemon(folder.start);
  });
  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });
  const path = () => daemon.socket.slice('unix:'.length);

  describe.each(['unix', 'tcp'] as const)('over %s', (wire) => {
    const target = () => (wire === 'unix' ? daemon.socket : daemon.tcp);
    const raw = () => connectRaw(wire === 'unix' ? { socket: path() } : { tcp: daemon.tcp }, 'localhost');

    test('serves every method of the service', async () => {
      using client = connect(target());
      const { ciphertext } = await client.call<{ ciphertext: Buffer }>('Encrypt', { ...demo, plaintext });
      expect(await client.call('Decrypt', { ...demo, ciphertext })).toMatchObject({ plaintext });
      const made = await client.call<{ plaintext: Buffer; wrapped_dek: Buffer }>('GenerateDEK', demo);
      const unwrapped = await client.call('Unwrap', { ...demo, wrapped_dek: made.wrapped_dek });
      expect(unwrapped).toMatchObject({ plaintext: made.plaintext });
      const again = await client.call<{ ciphertext: Buffer }>('Rewrap', { ...demo, ciphertext });
      expect(await client.call('Decrypt', { ...demo, ciphertext: again.ciphertext })).toMatchObject({ plaintext });
      expect(await client.call('DescribeTenant', demo)).toMatchObject({ state: 'TENANT_STATE_ACTIVE' });
    });

    test('tells a failure with its reason', async () => {
      using client = connect(target());
      const told = toldBy(await client.error('Encrypt', { tenant_id: 'nobody', plaintext }));
      expect(told).toMatchObject({ code: status.NOT_FOUND, domain: 'keyproxy', reason: 'TENANT_UNKNOWN' });
    });

    test(`${wire === 'tcp' ? 'refuses' : 'serves'} a call without the mark`, async () => {
      using client = connect(target(), {});
      if (wire === 'unix') await client.call('DescribeTenant', demo);
      else {
        const told = toldBy(await client.error('DescribeTenant', demo));
        expect(told).toMatchObject({ code: status.PERMISSION_DENIED, reason: 'REQUEST_UNMARKED' });
      }
    });

    test('refuses a method that nobody offers', async () => {
      using connection = raw();
      const end = await connection.call({ path: '/keyproxy.v1.KeyProxy/Shred', messages: [plaintext], headers: mark });
      expect(end.code).toBe(status.UNIMPLEMENTED);
    });

    test('refuses a message that is too large, and the connection goes on', async () => {
      using connection = raw();
      const { path: encrypt } = methodOf('Encrypt');
      const end = await connection.call({ path: encrypt, messages: [Buffer.alloc(limit + 1)], headers: mark });
      const told = errorTold(end.code, end.message, end.details);
      expect(told).toMatchObject({ code: status.RESOURCE_EXHAUSTED, reason: 'MESSAGE_TOO_LARGE' });
      expect(told.metadata).toMatchObject({ limit_value: String(limit) });
      expect(await ask(connection, '/grpc.health.v1.Health/Check', { service: '' })).toMatchObject({
        status: 'SERVING',
      });
    });

    test('tells its health and its services to whoever asks', async () => {
      using connection = raw();
      expect(await ask(connection, '/grpc.health.v1.Health/Check', { service: '' })).toEqual({ status: 'SERVING' });
      const listed = await ask(connection, '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo', {
        list_services: '',
      });
      expect(JSON.stringify(listed)).toContain('"keyproxy.v1.KeyProxy"');
    });

    test('ends a watch at its deadline, and when its caller gives it up', async () => {
      const client = new Client(target(), credentials.createInsecure());
      const [timed, given] = [watched(client, new Date(Date.now() + 300)), watched(client)];
      await Promise.all([timed.first, given.first]);
      given.cancel();
      expect((await given.error).code).toBe(status.CANCELLED);
      expect((await timed.error).code).toBe(status.DEADLINE_EXCEEDED);
      client.close();
    });

    test('keeps a deadline by itself, whatever the client does', async () => {
      using connection = raw();
      const { path: watching, requestSerialize } = definitionOf('/grpc.health.v1.Health/Watch');
      const end = await connection.call({
        path: watching,
        messages: [requestSerialize({ service: '' })],
        headers: { 'grpc-timeout': '200m' },
      });
      expect({ code: end.code, messages: end.messages.length }).toEqual({
        code: status.DEADLINE_EXCEEDED,
        messages: 1,
      });
    });
  });

  test('is the one that the file names', async () => {
    for (const place of [path(), daemon.tcp]) {
      using client = await FrameClient.connect(place);
      client.send(data(0, 'x'));
      await client.until(() => client.said.some((line) => line.startsWith('GOAWAY')));
      const isNative = client.said.some((line) => line.endsWith('PROTOCOL_ERROR DATA needs a stream'));
      expect(isNative).toBe(transport === 'native');
    }
  });
});

test.concurrent.each(['native', 'grpc-js'])(
  'the transport %s survives what is no gzip, and ends cleanly with watches open',
  async (transport) => {
    await using folder = await daemonFolder({ tenants: { 'demo.yaml': localTenant('demo') } });
    await folder.write('keyproxy.yaml', daemonFile(transport));
    await using daemon = await startDaemon(folder.start);
    // The request does not end, so nobody has asked for its message yet.
    using broken = await FrameClient.connect(daemon.socket.slice('unix:'.length));
    broken.open('/keyproxy.v1.KeyProxy/Encrypt', [prefixed('not gzip', 1)], [['grpc-encoding', 'gzip']]);
    const clients = [daemon.socket, daemon.tcp].map((target) => new Client(target, credentials.createInsecure()));
    const ends = clients.map((client) => watch(client));
    await Promise.all(clients.map((client) => watched(client).first));
    broken[Symbol.dispose]();
    expect(await daemon.stop()).toBe(0);
    for (const { said } of await Promise.all(ends)) expect(said).toEqual(['SERVING', 'NOT_SERVING']);
    for (const client of clients) client.close();
  },
);
