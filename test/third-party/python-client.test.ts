/**
 * grpcio, and with it the C core that the C++ and Ruby clients are made of: over a Unix socket it sends the
 * percent-encoded path of the socket as `:authority`, which the first test makes sure of.
 */
import { createServer } from 'node:http2';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Daemon, startDaemon, temporaryFolder } from '../support/daemon.ts';
import { folderOf } from './ready.ts';
import { type Ended, run } from './run.ts';

const folder = folderOf('grpcio');
const client = resolve(import.meta.dirname, 'python/client.py');
const example = resolve(import.meta.dirname, '../../examples/python/roundtrip.py');

function python(file: string, args: readonly string[]): Promise<Ended> {
  return run(join(folder ?? '', 'bin/python'), [file, ...args], { env: { PYTHONDONTWRITEBYTECODE: '1' } });
}

describe.skipIf(folder === undefined)('Python grpcio', () => {
  let daemon: Daemon;
  beforeAll(async () => {
    daemon = await startDaemon();
  });
  afterAll(() => daemon[Symbol.asyncDispose]());

  it('sends the path of a Unix socket, percent-encoded, as its authority', async () => {
    await using place = await temporaryFolder();
    const socket = join(place.path, 'spy.sock');
    const authorities: (string | undefined)[] = [];
    const spy = createServer().on('stream', (stream, headers) => {
      authorities.push(headers[':authority']);
      stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '12' }, { endStream: true });
    });
    await new Promise<void>((done) => spy.listen(socket, done));
    await python(client, [`unix:${socket}`]);
    spy.close();
    expect(authorities[0]).toBe(encodeURIComponent(socket.slice(1)));
  });

  const targets = [
    { name: 'unix:/path', target: () => daemon.socket },
    { name: 'unix:///path', target: () => daemon.socket.replace('unix:', 'unix://') },
    { name: 'host:port', target: () => daemon.tcp },
  ];

  it.each(targets)(
    'encrypts, decrypts, unwraps and is refused, with stubs from the proto files, at $name',
    async ({ target }) => {
      const { code, stdout, stderr } = await python(client, [target()]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(JSON.parse(stdout)).toEqual({
        sizes: [0, 1, 65_536, 1_000_000],
        concurrent: 100,
        context: { purpose: 'orders', tenant_id: 'demo' },
        dek_bytes: 32,
        refused: ['INVALID_ARGUMENT', 'keyproxy', 'DECRYPT_FAILED'],
        health: 'SERVING',
      });
    },
  );

  it.each(targets)('runs examples/python/roundtrip.py at $name', async ({ target }) => {
    const { code, stdout, stderr } = await python(example, [target()]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('decrypted them again');
    expect(stdout).toContain('refused: DECRYPT_FAILED');
  });
});
