/** What the official library sends, seen by a bare HTTP/2 server, and what it does when a call is given up. */
import { createServer, type IncomingHttpHeaders } from 'node:http2';
import { expect, it, onTestFinished, vi } from 'vitest';
import { openGcpKey } from '../../src/kms/gcp/open.ts';
import { context, failureOf, never } from './calls.ts';
import { GcpWorld } from './gcp-world.ts';

const keyName = 'projects/p/locations/l/keyRings/r/cryptoKeys/a_b-c';

/** Takes every call and answers none. */
async function silentKms() {
  const requests: IncomingHttpHeaders[] = [];
  const endings: number[] = [];
  const sessions = new Set<{ destroy(): void }>();
  const server = createServer();
  server.on('session', (session) => sessions.add(session));
  server.on('stream', (stream, headers) => {
    requests.push(headers);
    stream.on('error', () => {});
    stream.on('close', () => endings.push(stream.rstCode));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return { endpoint: `http://127.0.0.1:${address.port}`, requests, endings };
}

it('A call carries its token and the routing header, and is cancelled at the server when it is given up', async () => {
  await using world = await GcpWorld.start();
  const kms = await silentKms();
  await using service = world.open({ name: keyName }, { endpoint: kms.endpoint, timeoutMs: 300 });
  await failureOf(service.generate({ length: 32, context, signal: never }));
  expect(kms.requests).toHaveLength(1);
  expect(kms.requests[0]).toMatchObject({
    ':path': '/google.cloud.kms.v1.KeyManagementService/GetCryptoKey',
    'x-goog-request-params': `name=${encodeURIComponent(keyName)}`,
    'x-goog-api-client': expect.stringContaining('gax/'),
    authorization: expect.stringMatching(/^Bearer ./),
    'grpc-timeout': expect.stringMatching(/^1[0-3]\d\dm$/),
  });
  // RST_STREAM with CANCEL (RFC 9113, section 7).
  await expect.poll(() => kms.endings).toEqual([8]);
});

it('Opening keys and clients asks nobody for anything, the metadata server included', async () => {
  await using world = await GcpWorld.start();
  vi.stubEnv('GCE_METADATA_HOST', world.gcp.metadataHost);
  onTestFinished(() => void vi.unstubAllEnvs());
  const kms = await silentKms();
  const { clock, credentials } = world;
  const credential = { kind: 'application_default' } as const;
  const config = { provider: 'gcp_kms', keyName, credential, endpoint: kms.endpoint } as const;
  await using _one = openGcpKey(config, { clock, credentials, timeoutMs: 300, proofMs: 0 });
  await using _two = world.open({ name: keyName });
  await new Promise((done) => setTimeout(done, 100));
  expect([kms.requests, world.gcp.calls]).toEqual([[], []]);
});

it('Google’s own endpoint is taken where none is configured, over TLS', async () => {
  await using world = await GcpWorld.start();
  const { clock, credentials } = world;
  const credential = { kind: 'application_default' } as const;
  await using _service = openGcpKey(
    { provider: 'gcp_kms', keyName, credential },
    { clock, credentials, timeoutMs: 300, proofMs: 0 },
  );
  using lease = credentials.connections.lease('https://cloudkms.googleapis.com');
  const stub = await lease.value.initialize();
  const channel = (stub as unknown as { getChannel(): { getTarget(): string } }).getChannel();
  expect(channel.getTarget()).toBe('dns:cloudkms.googleapis.com:443');
});
