/**
 * The smallest HTTP/2 server on our own connections, for tools that test the protocol alone:
 * `node test/support/h2-echo-server.ts HOST:PORT`. Whatever the request, the answer is 200 and a body of a few hundred
 * bytes, once the request has ended. Prints `listening` when it does.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { systemClock } from '../../src/base/clock.ts';
import { Connection } from '../../src/h2/connection.ts';
import { defaultLimits } from '../../src/h2/limits.ts';
import type { Stream, StreamUser } from '../../src/h2/stream.ts';

/** Longer than a DATA frame that a test of windows allows, shorter than any window that nobody has touched. */
const body = Buffer.alloc(300, 'keyproxy ');

const source = {
  size: body.length,
  writeTo: (target: Buffer, at: number) => void body.copy(target, at),
};

function answer(stream: Stream): void {
  stream.headers([
    { name: ':status', value: '200' },
    { name: 'content-length', value: String(body.length) },
  ]);
  stream.data(source, true);
}

function userOf(stream: Stream): StreamUser {
  return {
    onData: (_bytes, start, end) => stream.grant(end - start),
    onEnd() {
      answer(stream);
      stream.done();
    },
    onDrained: () => undefined,
    onReset: () => stream.done(),
  };
}

function tooLarge(stream: Stream): void {
  stream.headers([{ name: ':status', value: '431' }], true);
  stream.done();
}

const [host = '127.0.0.1', port = '0'] = (process.argv[2] ?? '').split(':');
const server = createServer((socket) => {
  const connection = new Connection(socket, {
    clock: systemClock,
    limits: defaultLimits,
    random: Math.random,
    onStream: userOf,
    onTooLarge: tooLarge,
    onFailure: (error) => process.stderr.write(`a failure of our own: ${error}\n`),
  });
  const check = setInterval(() => connection.check(), 1_000).unref();
  socket.once('close', () => clearInterval(check));
});
server.listen(Number(port), host);
await once(server, 'listening');
process.stdout.write('listening\n');
