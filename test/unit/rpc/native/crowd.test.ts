/** As many connections as may be: who does nothing makes room for who comes, and who does something does not. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test, vi } from 'vitest';
import { replyOf } from '../../../../src/rpc/reply.ts';
import { prefixed, textsOf } from '../../../support/frame-client.ts';
import { echo, grpcScene, heldUnary } from '../../../support/grpc-scene.ts';

test('silent connections make room, the one that has done nothing for the longest time first', async () => {
  await using scene = await grpcScene({ handlers: echo, maxConnections: 3 });
  // The scene's own client has one of the places.
  const { client } = scene;
  const silent = [await scene.connect(), await scene.connect()];
  await client.call('/test.Test/Unary', [prefixed('x')]);
  scene.clock.advance(1_000);
  await client.call('/test.Test/Unary', [prefixed('x')]);
  const next = await scene.connect();
  expect(textsOf(await next.call('/test.Test/Unary', [prefixed('here')]))).toEqual(['here']);
  await vi.waitFor(() => expect(silent.filter(({ isClosed }) => isClosed)).toHaveLength(1));
  expect(textsOf(await client.call('/test.Test/Unary', [prefixed('still')]))).toEqual(['still']);
  expect(scene.turnedAway()).toBe(0);
});

test('connections with calls under way make no room, and who comes is turned away', async () => {
  const held = heldUnary();
  await using scene = await grpcScene({ handlers: { Held: held.handler }, maxConnections: 2 });
  const second = await scene.connect();
  const asked = [held.next(), held.next()];
  const calls = [scene.client, second].map((each) => each.call('/test.Test/Held', [prefixed('x')]));
  const answers = await Promise.all(asked);
  // Raw: it is closed before it can say anything.
  await once(connect(scene.path).resume(), 'close');
  expect(scene.turnedAway()).toBe(1);
  for (const { answer } of answers) answer(replyOf(Buffer.from('y')));
  await Promise.all(calls);
});
