/** A client that does not read for a while: whatever waits for it, it gets every byte as it was written. */
import { randomBytes } from 'node:crypto';
import { expect, test } from 'vitest';
import type { Handler } from '../../../../src/rpc/native/handler.ts';
import { replyOf } from '../../../../src/rpc/reply.ts';
import { messagesOf, prefixed } from '../../../support/frame-client.ts';
import { settings, windowUpdate } from '../../../support/frames.ts';
import { grpcScene } from '../../../support/grpc-scene.ts';
import { settled } from '../../../support/memory-socket.ts';

const random = randomBytes(2 ** 20);

/** Bytes that nobody else is answered with: some 1 to 8 KB from a place that the request names. */
function bytesFor(request: Buffer): Buffer {
  const number = Number(request.toString());
  const from = (number * 509) % (random.length - 8_192);
  return random.subarray(from, from + 1_024 + ((number * 131) % 7_168));
}

const handlers: Readonly<Record<string, Handler>> = {
  Random: { kind: 'unary', handle: async (request) => replyOf(bytesFor(request)) },
};

test.each([
  ['whose windows are wide', 2 ** 31 - 1],
  ['whose windows open later', 0],
])('2,000 answers wait for a client %s', async (_name, window) => {
  await using scene = await grpcScene({ handlers, limits: { maxStreams: 4_096 } });
  const client = await scene.connect([[4, window]]);
  client.socket.pause();
  const requests = Array.from({ length: 2_000 }, (_, i) => Buffer.from(`${i}`));
  const answers = requests.map((request) => client.call('/test.Test/Random', [prefixed(request)]));
  // A client beside it is served all the while.
  for (let i = 0; i < 20; i++) await scene.client.call('/test.Test/Random', [prefixed('1')]);
  await settled();
  client.socket.resume();
  if (window === 0) client.send(settings([4, 1_000]), ...requests.map((_, i) => windowUpdate(1 + 2 * i, 1_000_000)));
  for (const [i, answer] of (await Promise.all(answers)).entries()) {
    const [message] = messagesOf(answer.body);
    expect(message?.bytes.equals(bytesFor(requests[i] ?? Buffer.alloc(0)))).toBe(true);
    expect(answer.end).toEqual({ 'grpc-status': '0' });
  }
});
