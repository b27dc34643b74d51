/** keyproxy's own identity, taken from where the SDK looks: an STS that says nothing must not be waited for for ever. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { systemClock } from '../../src/base/clock.ts';
import { openAwsCredentials, openAwsKey } from '../../src/kms/aws/open.ts';
import { context, failureOf, never } from './calls.ts';

/** Takes connections and never answers. */
async function silence() {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return { url: `http://127.0.0.1:${address.port}`, sockets };
}

test('a web identity whose STS never answers is an outage in time, and is asked for again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'keyproxy-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  const sts = await silence();
  await writeFile(join(folder, 'token'), 'no.real.token');
  for (const [name, value] of Object.entries({
    AWS_ACCESS_KEY_ID: undefined,
    AWS_SECRET_ACCESS_KEY: undefined,
    AWS_PROFILE: undefined,
    AWS_CONFIG_FILE: join(folder, 'none'),
    AWS_SHARED_CREDENTIALS_FILE: join(folder, 'none'),
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_REGION: 'us-east-1',
    AWS_ROLE_ARN: 'arn:aws:iam::123456789012:role/keyproxy',
    AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, 'token'),
    AWS_ENDPOINT_URL_STS: sts.url,
  })) {
    vi.stubEnv(name, value);
  }
  using credentials = openAwsCredentials({ clock: systemClock, random: Math.random, nodeName: 'n', timeoutMs: 300 });
  using lease = credentials.lease({ tenantId: 'acme', region: 'us-east-1' });
  for (const asked of [1, 2]) {
    const { fault } = await failureOf(lease.credentials.current(never));
    expect(fault.kind).toBe('outage');
    // What gave up for the caller's sake ends by itself soon after.
    await expect.poll(() => sts.sockets.size).toBeGreaterThanOrEqual(asked);
    await new Promise((done) => setTimeout(done, 400));
  }
});

test('an endpoint that takes no credentials at all does not have every call ask for new ones', async () => {
  const server = createHttpServer((request, response) => {
    request.resume();
    response.writeHead(400, { 'content-type': 'application/x-amz-json-1.1' });
    response.end(JSON.stringify({ __type: 'UnrecognizedClientException' }));
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => void server.close());
  const address = server.address();
  const endpoint = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  let asked = 0;
  const own = async () => ({ accessKeyId: `AKID${++asked}`, secretAccessKey: 'no-real-key' });
  const clock = { ...systemClock, monotonic: () => 0 };
  using credentials = openAwsCredentials({ clock, random: Math.random, nodeName: 'n', timeoutMs: 3_000, own });
  const keyArn = 'arn:aws:kms:us-east-1:123456789012:key/1234abcd';
  const config = { provider: 'aws_kms', keyArn, region: 'us-east-1', endpoint } as const;
  await using key = openAwsKey(config, { clock, tenantId: 'acme', timeoutMs: 3_000, credentials });
  for (let call = 0; call < 20; call++) {
    const error = await failureOf(key.generate({ length: 32, context, signal: never }));
    expect(error.fault).toEqual({ kind: 'credentials' });
  }
  expect(asked).toBe(2);
});
