/**
 * Calls on every gRPC library that is at hand, over TCP and a Unix socket, to a server on our own transport. Each
 * library has its own idea of what to call a server behind a Unix socket: all of them have to be served.
 */
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort, temporaryFolder } from '../support/daemon.ts';
import { java } from './interop/java.ts';
import { startListening } from './interop/listening.ts';
import { callOnNode } from './interop/node-client.ts';
import { expected } from './interop/outcome.ts';
import { folderOf } from './ready.ts';
import { type Ended, run } from './run.ts';

const pythonClient = resolve(import.meta.dirname, 'interop/client.py');

const [python, go, javaFolder, cpp] = [
  folderOf('grpcio'),
  folderOf('grpcgo'),
  folderOf('grpcjava'),
  folderOf('grpccpp'),
];

/** What the client prints is what came of its calls. */
async function outcomeOf(ended: Promise<Ended>): Promise<unknown> {
  const { code, stdout, stderr } = await ended;
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout);
}

const clients = [
  { library: 'grpc-js', folder: '', call: callOnNode, named: () => 'localhost' },
  {
    library: 'grpcio of Python',
    folder: python,
    call: (target: string) => outcomeOf(run(join(python ?? '', 'bin/python'), ['-B', pythonClient, target])),
    named: (socket: string) => encodeURIComponent(socket.slice(1)),
  },
  {
    library: 'grpc-go',
    folder: go,
    call: (target: string) => outcomeOf(run(join(go ?? '', 'grpcgo'), [target])),
    named: () => 'localhost',
  },
  {
    library: 'grpc-java',
    folder: javaFolder,
    call: (target: string) => outcomeOf(java(javaFolder ?? '', 'Client', [target])),
    named: (socket: string) => socket,
  },
  {
    library: 'gRPC of C++',
    folder: cpp,
    call: (target: string) => outcomeOf(run(join(cpp ?? '', 'client'), [target])),
    named: () => 'localhost',
  },
];

const server = new URL('../support/interop-server.ts', import.meta.url);

const stack = new AsyncDisposableStack();
let tcp: string;
let socket: string;
beforeAll(async () => {
  tcp = `127.0.0.1:${await freePort()}`;
  socket = join(stack.use(await temporaryFolder()).path, 'interop.sock');
  stack.use(await startListening(server, tcp));
  stack.use(await startListening(server, `unix:${socket}`));
});
afterAll(() => stack.disposeAsync());

describe.each(clients)('$library', ({ folder, call, named }) => {
  it.skipIf(folder === undefined)(
    'gets what it asks for over TCP, and sends the address as its authority',
    async () => {
      expect(await call(tcp)).toEqual({ ...expected, authority: tcp });
    },
  );

  it.skipIf(folder === undefined)('gets the same over a Unix socket, with an authority of its own', async () => {
    expect(await call(`unix:${socket}`)).toEqual({ ...expected, authority: named(socket) });
  });
});
