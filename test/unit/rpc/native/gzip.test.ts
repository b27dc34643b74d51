/** Messages that are compressed, in and out: by whom it is wanted, and what is refused. */
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Handler } from '../../../../src/rpc/native/handler.ts';
import { replyOf } from '../../../../src/rpc/reply.ts';
import { type FrameClient, messagesOf, prefixed, statusOf, textsOf } from '../../../support/frame-client.ts';
import { data, type Fields, reset } from '../../../support/frames.ts';
import { echo, type GrpcScene, grpcScene } from '../../../support/grpc-scene.ts';

const limit = 100_000;

const handlers: Parameters<typeof grpcScene>[0]['handlers'] = {
  ...echo,
  /** Each request says whether its answer is compressed: z or not. */
  Compress: {
    kind: 'bidi_stream',
    async *handle(requests, call) {
      for await (const request of requests) {
        call.compress = request.toString().startsWith('z');
        yield replyOf(Buffer.concat([Buffer.from(`${call.requestWasCompressed}:`), request]));
      }
    },
  },
  CompressOne: {
    kind: 'unary',
    async handle(request, call) {
      call.compress = true;
      return replyOf(Buffer.concat([Buffer.from(`${call.requestWasCompressed}:`), request]));
    },
  },
};

let scene: GrpcScene;
let client: FrameClient;
beforeAll(async () => {
  scene = await grpcScene({ handlers, maxMessageBytes: limit });
  client = scene.client;
});
afterAll(() => scene[Symbol.asyncDispose]());

const ask = (name: string, parts: readonly Buffer[], more: Fields = []) =>
  client.call(`/test.Test/${name}`, parts, more);
const text = (...texts: string[]) => texts.map((each) => prefixed(each));
const okHead = { ':status': '200', 'content-type': 'application/grpc', 'grpc-accept-encoding': 'identity,gzip' };

describe('gzip', () => {
  const zipped: Fields = [['grpc-encoding', 'gzip']];
  const accepting: Fields = [['grpc-accept-encoding', 'gzip']];

  test('is taken in every kind of call, beside messages as they are', async () => {
    const mixed = [
      prefixed(gzipSync('one'), 1),
      prefixed('two'),
      prefixed(gzipSync(''), 1),
      prefixed(gzipSync('four'), 1),
    ];
    expect(textsOf(await ask('Collect', mixed, zipped))).toEqual(['one|two||four']);
    expect(textsOf(await ask('Echo', mixed, zipped))).toEqual(['one', 'two', '', 'four']);
    expect(textsOf(await ask('Unary', [prefixed(gzipSync('one'), 1)], zipped))).toEqual(['one']);
    expect(textsOf(await ask('Split', [prefixed(gzipSync('a|b'), 1)], zipped))).toEqual(['a', 'b']);
    expect(textsOf(await ask('CompressOne', [prefixed(gzipSync('one'), 1)], zipped))).toEqual(['true:one']);
  });

  test('is given to whoever accepts it, and to nobody else', async () => {
    const given = await ask('CompressOne', text('hello'), accepting);
    const [message] = messagesOf(given.body);
    expect(given.head['grpc-encoding']).toBe('gzip');
    expect(message?.flag).toBe(1);
    expect(gunzipSync(message?.bytes ?? '').toString()).toBe('false:hello');
    const plain = await ask('CompressOne', text('hello'));
    expect({ head: plain.head, texts: textsOf(plain) }).toEqual({ head: okHead, texts: ['false:hello'] });
  });

  test.each([
    ['z1', 'z2', '3'],
    ['1', 'z2', 'z3'],
  ])(
    'is given for the answers that the method wants, and the head says so before any: %s, %s, %s',
    async (...texts) => {
      const answer = await ask('Compress', text(...texts), accepting);
      const messages = messagesOf(answer.body);
      const read = messages.map(({ flag, bytes }) => (flag === 1 ? gunzipSync(bytes) : bytes).toString());
      expect(read).toEqual(texts.map((each) => `false:${each}`));
      // A compressed message is of no use to who does not know how.
      if (messages.some(({ flag }) => flag === 1)) expect(answer.head['grpc-encoding']).toBe('gzip');
      expect(statusOf(answer)).toBe('0');
    },
  );

  test.each([
    ['one that is none', Buffer.from('not gzip'), '13 a compressed message is not gzip'],
    ['one that is cut', gzipSync('hello').subarray(0, 15), '13 a compressed message is not gzip'],
    ['one of no bytes', Buffer.alloc(0), '13 a compressed message is not gzip'],
    ['one that is too large inside', gzipSync(Buffer.alloc(limit + 1)), `8 the message is over ${limit} bytes`],
    ['one that is far too large inside', gzipSync(Buffer.alloc(limit * 100)), `8 the message is over ${limit} bytes`],
  ])('%s ends the call', async (_name, bytes, expected) => {
    for (const name of ['Unary', 'Collect', 'Echo', 'Split']) {
      expect(statusOf(await ask(name, [prefixed(bytes, 1)], zipped))).toBe(expected);
    }
  });

  test('at the bound inside is taken', async () => {
    const answer = await ask('Unary', [prefixed(gzipSync(Buffer.alloc(limit, 'x')), 1)], zipped);
    expect(messagesOf(answer.body)[0]?.bytes).toHaveLength(limit);
  });

  test('of a call that its caller gives up meanwhile wakes no handler', async () => {
    let asked = 0;
    const count: Handler = {
      kind: 'unary',
      async handle(request) {
        asked += 1;
        return replyOf(request);
      },
    };
    await using own = await grpcScene({ handlers: { Count: count } });
    const id = own.client.open('/test.Test/Count', [prefixed(gzipSync('x'), 1)], zipped);
    own.client.send(data(id, '', 'end'), reset(id));
    for (let i = 0; i < 5; i++) await own.client.call('/test.Test/Nobody', text('x'));
    await own.client.call('/test.Test/Count', [prefixed(gzipSync('y'), 1)], zipped);
    expect(asked).toBe(1);
    expect(own.server.calls.size).toBe(0);
  });
});
