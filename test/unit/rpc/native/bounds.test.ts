/** What a caller may make the server hold: empty messages, messages that grow, answers that nobody takes. */
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { decompressed } from '../../../../src/rpc/native/gzip.ts';
import { replyOf } from '../../../../src/rpc/reply.ts';
import { callFields, prefixed, statusOf } from '../../../support/frame-client.ts';
import { data } from '../../../support/frames.ts';
import { grpcScene, heldUnary } from '../../../support/grpc-scene.ts';

describe('messages that are to be decompressed', () => {
  const limit = 4_000_000;
  const bomb = gzipSync(Buffer.alloc(limit));

  test('take turns, a few at a time, and those that nobody wants any more are passed over', async () => {
    const looked: number[] = [];
    let isWanted = true;
    const all = Array.from({ length: 40 }, (_, at) =>
      decompressed(bomb, {
        limit,
        isWanted() {
          looked.push(at);
          return isWanted;
        },
      }).then(
        ({ length }) => length,
        (error) => error.refusal.kind,
      ),
    );
    await all[0];
    expect(looked.length).toBeLessThan(10);
    isWanted = false;
    const ends = await Promise.all(all);
    expect(ends[0]).toBe(limit);
    expect(ends.filter((end) => end === 'cancelled').length).toBeGreaterThan(30);
    // The line is empty, and all places are free again.
    isWanted = true;
    expect(await decompressed(bomb, { limit, isWanted: () => true })).toHaveLength(limit);
  });
});

test('empty messages of a stream that takes none are counted, and end it', async () => {
  const taken = Promise.withResolvers<void>();
  await using scene = await grpcScene({
    handlers: {
      Stuck: {
        kind: 'bidi_stream',
        async *handle() {
          await taken.promise;
          yield replyOf(Buffer.alloc(0));
        },
      },
    },
    maxMessageBytes: 1_000,
  });
  const { client } = scene;
  const empty = Buffer.alloc(16_380);
  // 3,276 messages a frame; 256 KiB are allowed a stream, and the connection holds 64 MiB.
  const ids = Array.from({ length: 8 }, () => client.nextId());
  for (const id of ids) {
    client.send(client.blocks.headers(id, callFields('/test.Test/Stuck')));
    for (let i = 0; i < 15; i++) client.send(data(id, empty));
  }
  const refused = await client.ended(ids[5] ?? 0);
  expect(statusOf(refused)).toBe('8 the messages under way are too large together');
  taken.resolve();
});

test('an answer that its peer does not take goes with the deadline of its call', async () => {
  const held = heldUnary();
  await using scene = await grpcScene({ handlers: { Held: held.handler } });
  const client = await scene.connect([[4, 0]]);
  const id = client.nextId();
  client.send(client.blocks.headers(id, callFields('/test.Test/Held', [['grpc-timeout', '1S']])));
  client.send(data(id, prefixed('x'), 'end'));
  const call = await held.next();
  await new Promise((done) => setImmediate(done));
  call.answer(replyOf(Buffer.from('a data key')));
  await new Promise((done) => setImmediate(done));
  scene.clock.advance(1_000);
  expect((await client.ended(id)).reset).toBe(8);
});
