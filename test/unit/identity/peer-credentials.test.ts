/** Who is at the other end of a Unix socket. Reads a private field of Node's sockets: this is the guard for the Node in use. */
import { execFileSync, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Caller } from '../../../src/base/caller.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { peerReader } from '../../../src/identity/peer-credentials.ts';
import type { UnaryMethod } from '../../../src/rpc/method.ts';
import { listen } from '../../../src/rpc/native/listener.ts';
import { replyOf } from '../../../src/rpc/reply.ts';
import { connectRaw } from '../../support/raw-http2.ts';

const own = { pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() };

/** A Unix socket's path in a folder of its own. */
async function place(): Promise<{ readonly path: string } & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'keyproxy-peer-'));
  return { path: join(folder, 's'), [Symbol.asyncDispose]: () => rm(folder, { recursive: true }) };
}

test('the kernel tells process, user and group of the peer', async () => {
  await using at = await place();
  const read = await peerReader();
  const server = createServer().listen(at.path);
  await once(server, 'listening');
  const client = createConnection(at.path);
  const [socket] = (await once(server, 'connection')) as [Socket];
  expect(read(socket)).toEqual(own);
  client.destroy();
  await once(socket.resume(), 'close');
  expect(() => read(socket)).toThrow('the socket has no descriptor');
  server.close();
});

test.skipIf(process.getuid?.() !== 0)('a peer that runs as another user is that user', async () => {
  await using at = await place();
  const read = await peerReader();
  const server = createServer().listen(at.path);
  await once(server, 'listening');
  execFileSync('chmod', ['-R', 'a+rwx', join(at.path, '..')]);
  const script = `require('net').createConnection(${JSON.stringify(at.path)}).on('close', () => process.exit())`;
  const stdio: StdioOptions = ['ignore', 'ignore', 'inherit'];
  // The folder of the test may be closed to others.
  const child = spawn(process.execPath, ['-e', script], { cwd: '/', uid: 65_534, gid: 65_534, stdio });
  const failed = once(child, 'exit').then(([code, signal]) => {
    throw new Error(`the peer ended with ${code ?? signal} before it connected`);
  });
  const [socket] = (await Promise.race([once(server, 'connection'), failed])) as [Socket];
  failed.catch(() => {});
  expect(read(socket)).toEqual({ pid: child.pid, uid: 65_534, gid: 65_534 });
  socket.destroy();
  await once(child, 'exit');
  server.close();
});

test('a handler is given the peer of its connection', async () => {
  await using at = await place();
  const read = await peerReader();
  const callers: Caller[] = [];
  const method: UnaryMethod = {
    ...{ kind: 'unary', service: 'a.B', name: 'Who', exempt: true },
    async handle(caller) {
      callers.push(caller);
      return replyOf(Buffer.alloc(0));
    },
  };
  const listener = await listen({
    target: `unix:${at.path}`,
    caller: { kind: 'socket' },
    callerOf: (socket) => ({ kind: 'socket', peer: read(socket) }),
    marked: false,
    maxConnections: 10,
    maxMessageBytes: 1000,
    clock: systemClock,
    observer: { started() {}, handled() {}, failed() {}, broke() {}, turnedAway() {} },
    methods: [method],
  });
  {
    using client = connectRaw({ socket: at.path }, 'localhost');
    expect((await client.call({ path: '/a.B/Who', messages: [Buffer.alloc(0)] })).code).toBe(0);
  }
  expect(callers).toEqual([{ kind: 'socket', peer: own }]);
  await listener.drain(1000);
});
