/**
 * Other people's interop clients, which check themselves what they get, against a server on our own transport. What each
 * case demands: https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort, temporaryFolder } from '../support/daemon.ts';
import { java } from './interop/java.ts';
import { startListening } from './interop/listening.ts';
import { folderOf } from './ready.ts';
import { run } from './run.ts';

const [goFolder, javaFolder] = [folderOf('grpcgo'), folderOf('grpcjava')];

const cases = [
  'empty_unary',
  'large_unary',
  'client_streaming',
  'server_streaming',
  'ping_pong',
  'empty_stream',
  'timeout_on_sleeping_server',
  'cancel_after_begin',
  'cancel_after_first_response',
  'status_code_and_message',
  'special_status_message',
  'unimplemented_method',
  'unimplemented_service',
  'custom_metadata',
];

/** Cases that grpc-go's client does not know. */
const compressedCases = [
  'client_compressed_unary',
  'server_compressed_unary',
  'client_compressed_streaming',
  'server_compressed_streaming',
];

const server = new URL('../support/interop-server.ts', import.meta.url);

const stack = new AsyncDisposableStack();
let port: number;
let socket: string;
beforeAll(async () => {
  port = await freePort();
  socket = join(stack.use(await temporaryFolder()).path, 'interop.sock');
  stack.use(await startListening(server, `127.0.0.1:${port}`));
  stack.use(await startListening(server, `unix:${socket}`));
});
afterAll(() => stack.disposeAsync());

const wires = [
  { wire: 'TCP', place: () => ['-server_host', '127.0.0.1', '-server_port', String(port)] },
  { wire: 'a Unix socket', place: () => ['-server_host', `unix:${socket}`, '-server_port', '0'] },
];

describe.skipIf(goFolder === undefined).each(wires)("grpc-go's interop client over $wire", ({ place }) => {
  it.each(cases)('%s', async (name) => {
    const client = join(goFolder ?? '', 'client');
    const { code, stderr } = await run(client, [...place(), '-test_case', name], { timeoutMs: 30_000 });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});

describe.skipIf(javaFolder === undefined).each(['Netty', 'OkHttp'])("grpc-java's interop client on %s", (transport) => {
  const all = [...cases, ...compressedCases, 'very_large_request'];

  // One process for all of them: the start of each would take longer than the case.
  let printed: string[];
  beforeAll(async () => {
    const where = ['127.0.0.1', String(port), String(transport === 'OkHttp')];
    const { stdout } = await java(javaFolder ?? '', 'Interop', [...where, ...all]);
    printed = stdout.split('\n');
  });

  it.each(all)('%s', (name) => {
    const outcome = printed.filter((line) => line.startsWith(`${name}: `));
    expect(outcome).toEqual([`${name}: passed`]);
  });
});
