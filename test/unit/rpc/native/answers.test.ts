/** What becomes of answers that nobody takes, and of requests: each is written once or not at all, and wiped. */
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { Call, type CallHost } from '../../../../src/rpc/native/call.ts';
import { type Handler, plainRefusal } from '../../../../src/rpc/native/handler.ts';
import { ReadyCalls } from '../../../../src/rpc/native/ready-calls.ts';
import { replyOf } from '../../../../src/rpc/reply.ts';
import { callFields, messagesOf, prefixed, statusOf, textsOf } from '../../../support/frame-client.ts';
import { data, type Fields, reset, settings, windowUpdate } from '../../../support/frames.ts';
import { echo, grpcScene, heldUnary, watchedReply } from '../../../support/grpc-scene.ts';
import { openScene } from '../../../support/h2-scene.ts';
import { settled } from '../../../support/memory-socket.ts';
import { lonelyShare } from '../../../support/shares.ts';

const aborted = (signal: AbortSignal) =>
  new Promise<unknown>((done) => {
    if (signal.aborted) done(signal.reason);
    signal.addEventListener('abort', () => done(signal.reason), { once: true });
  });

const call = (more: Fields = []) => ['/test.Test/Held', [prefixed('x')], more] as const;
const gzip: Fields = [['grpc-accept-encoding', 'gzip']];

describe('an answer', () => {
  test('is written once, then disposed of', async () => {
    const held = heldUnary();
    await using scene = await grpcScene({ handlers: { Held: held.handler } });
    const [next, answer] = [held.next(), scene.client.call(...call())];
    const reply = watchedReply('hello');
    (await next).answer(reply);
    expect(textsOf(await answer)).toEqual(['hello']);
    expect(reply.events).toEqual(['written', 'disposed']);
  });

  test('is written and disposed of at once although its caller has no window for it', async () => {
    const held = heldUnary();
    await using scene = await grpcScene({ handlers: { Held: held.handler } });
    const client = await scene.connect([[4, 0]]);
    const [next, answer] = [held.next(), client.call(...call())];
    const reply = watchedReply('hello');
    (await next).answer(reply);
    await client.until(() => client.answer(1).head[':status'] === '200');
    expect(reply.events).toEqual(['written', 'disposed']);
    expect(client.answer(1)).toMatchObject({ hasEnded: false, body: Buffer.alloc(0) });
    client.send(settings([4, 100]));
    expect(textsOf(await answer)).toEqual(['hello']);
    expect(statusOf(await answer)).toBe('0');
  });

  test('is written and disposed of before it is compressed', async () => {
    const held = heldUnary();
    await using scene = await grpcScene({ handlers: { Held: held.handler } });
    const [next, answer] = [held.next(), scene.client.call(...call(gzip))];
    const asked = await next;
    asked.call.compress = true;
    const reply = watchedReply('hello');
    asked.answer(reply);
    const [message] = messagesOf((await answer).body);
    expect(gunzipSync(message?.bytes ?? '').toString()).toBe('hello');
    expect(reply.events).toEqual(['written', 'disposed']);
  });

  test('that comes after the deadline is disposed of unwritten, compressed or not', async () => {
    for (const more of [[], gzip]) {
      const held = heldUnary();
      await using scene = await grpcScene({ handlers: { Held: held.handler } });
      const [next, answer] = [held.next(), scene.client.call(...call([['grpc-timeout', '1S'], ...more]))];
      const asked = await next;
      asked.call.compress = true;
      await settled();
      scene.clock.advance(1_000);
      await answer;
      const late = watchedReply('late');
      asked.answer(late);
      await settled();
      expect(late.events).toEqual(['disposed']);
      expect(scene.server.calls.size).toBe(0);
    }
  });

  test('of a stream that comes after its caller has gone is disposed of unwritten', async () => {
    const late = watchedReply('late');
    const [began, gone] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const handler: Handler = {
      kind: 'server_stream',
      async *handle(_request, { signal }) {
        began.resolve();
        await aborted(signal);
        // It does not care, and has one more.
        try {
          yield late;
        } finally {
          gone.resolve();
        }
      },
    };
    await using scene = await grpcScene({ handlers: { Held: handler } });
    const id = scene.client.open('/test.Test/Held', [prefixed('x')]);
    scene.client.send(data(id, '', 'end'));
    await began.promise;
    scene.client.send(reset(id));
    await gone.promise;
    await settled();
    expect(late.events).toEqual(['disposed']);
  });

  test('of a stream that nobody takes keeps the method from making more', async () => {
    let made = 0;
    const handler: Handler = {
      kind: 'server_stream',
      async *handle() {
        for (; made < 100; ) {
          made += 1;
          yield replyOf(Buffer.alloc(1_000));
        }
      },
    };
    await using scene = await grpcScene({ handlers: { Held: handler } });
    const client = await scene.connect([[4, 5_000]]);
    const answer = client.call(...call());
    await client.until(() => client.answer(1).body.length === 5_000);
    await settled();
    expect(made).toBe(5);
    client.send(windowUpdate(1, 1_005));
    await client.until(() => client.answer(1).body.length === 6_005);
    expect(made).toBeLessThanOrEqual(7);
    client.send(windowUpdate(1, 1_000_000));
    expect(messagesOf((await answer).body)).toHaveLength(100);
  });
});

describe('requests of a stream', () => {
  test('that are not taken withhold the window, and give it back as they are', async () => {
    const steps: (() => void)[] = [];
    const handler: Handler = {
      kind: 'bidi_stream',
      async *handle(requests) {
        for await (const request of requests) {
          await new Promise<void>((done) => steps.push(done));
          yield replyOf(Buffer.from(`${request.length}`));
        }
      },
    };
    await using scene = await grpcScene({ handlers: { Held: handler }, limits: { streamWindow: 100_000 } });
    const { client } = scene;
    const credit = () => client.credits.reduce((sum, { increment }) => sum + increment, 0);
    const id = client.open('/test.Test/Held', [prefixed(Buffer.alloc(9_995))]);
    await client.until(() => client.answer(id).head[':status'] === undefined);
    for (let i = 1; i < 10; i++) client.send(data(id, prefixed(Buffer.alloc(9_995))));
    // All of the window is spent: 100,000 bytes, of which some 65,536 may wait for the method.
    client.send(data(id, '', 'end'));
    await client.call('/test.Test/Nobody', [prefixed('x')]);
    expect(credit()).toBeLessThan(80_000);
    while (!client.answer(id).hasEnded) {
      steps.shift()?.();
      await settled();
    }
    expect(textsOf(client.answer(id))).toEqual(Array.from({ length: 10 }, () => '9995'));
  });

  test('that nobody takes are no more than the window and what may wait', async () => {
    const began = Promise.withResolvers<void>();
    const handler: Handler = {
      kind: 'client_stream',
      handle(_requests, { signal }) {
        began.resolve();
        return aborted(signal).then(() => replyOf(Buffer.alloc(0)));
      },
    };
    await using scene = await grpcScene({ handlers: { Held: handler }, limits: { streamWindow: 100_000 } });
    const { client } = scene;
    const id = client.open('/test.Test/Held');
    let [sent, seen] = [0, 0];
    for (let rounds = 0; rounds < 100; rounds++) {
      const own = client.credits.filter((credit) => credit.id === id);
      const window = 100_000 + own.reduce((sum, { increment }) => sum + increment, 0);
      if (window - sent < 1_000) break;
      client.send(data(id, prefixed(Buffer.alloc(995))));
      sent += 1_000;
      seen = window;
      await settled();
    }
    await began.promise;
    expect(sent).toBeLessThanOrEqual(seen);
    expect(sent).toBeLessThan(100_000 + 70_000);
  });
});

describe('what is under way on one connection', () => {
  /** Unary calls of one connection, which may hold 150 bytes; no method is ever asked. */
  function shared() {
    const held = lonelyShare(150);
    const ready = new ReadyCalls(() => true);
    const host: CallHost = {
      ...{ caller: { kind: 'anonymous' }, maxMessageBytes: 1_000, held },
      refuse: plainRefusal,
      ready: (call) => ready.add(call),
      deadline() {},
      ended() {},
    };
    const head = { kind: 'call', timeoutMs: undefined, encoding: 'identity', acceptsGzip: false } as const;
    const scene = openScene({
      onStream: (stream, request) => new Call(stream, request, { head, handler: echo.Unary, host }),
      onPause: () => ready.run(),
    });
    return { held, scene };
  }
  const tooMuch =
    /^HEADERS \d+ .* grpc-status=8 grpc-message=the messages under way are too large together END_STREAM$/;

  test('is bounded together, and what is over it is refused without harm to the rest', async () => {
    const { held, scene: opening } = shared();
    const scene = await opening;
    const part = prefixed(Buffer.alloc(140)).subarray(0, 105);
    const open = (id: number) => [scene.blocks.headers(id, callFields('/a')), data(id, part)];
    expect(await scene.answer(...open(1))).toEqual([]);
    expect(await scene.answer(...open(3))).toEqual([expect.stringMatching(tooMuch), 'RST_STREAM 3 NO_ERROR']);
    expect(held.bytes).toBe(100);
    const said = await scene.answer(data(1, Buffer.alloc(40), 'end'));
    expect(said).toEqual([
      expect.stringContaining('HEADERS 1'),
      expect.stringContaining('DATA 1'),
      'HEADERS 1 grpc-status=0 END_STREAM',
    ]);
    expect(held.bytes).toBe(0);
  });

  test('counts nothing of calls that were given up', async () => {
    const { held, scene: opening } = shared();
    const scene = await opening;
    const part = prefixed(Buffer.alloc(200)).subarray(0, 105);
    await scene.answer(scene.blocks.headers(1, callFields('/a')), data(1, part), reset(1));
    expect(held.bytes).toBe(0);
    await scene.answer(scene.blocks.headers(3, callFields('/a')), data(3, part, 'end'));
    expect(held.bytes).toBe(0);
  });

  test('counts whole messages too, while their requests go on', async () => {
    const { held, scene: opening } = shared();
    const scene = await opening;
    const whole = prefixed(Buffer.alloc(100));
    // Nobody is asked before a request has ended, so each of them is kept.
    expect(await scene.answer(scene.blocks.headers(1, callFields('/a')), data(1, whole))).toEqual([]);
    const second = await scene.answer(scene.blocks.headers(3, callFields('/a')), data(3, whole));
    expect(second).toEqual([expect.stringMatching(tooMuch), 'RST_STREAM 3 NO_ERROR']);
    await scene.answer(data(1, '', 'end'));
    expect(held.bytes).toBe(0);
  });
});

describe('a broken message of a request that has not ended', () => {
  const zipped: Fields = [['grpc-encoding', 'gzip']];
  const broken = prefixed('not gzip', 1);

  // Vitest ends with an error for a rejection that nobody hears; the daemon would end as well.
  test.each([
    ['alone', [broken]],
    ['after another', [prefixed('x'), broken]],
    ['before another', [broken, broken, prefixed('x')]],
  ])('harms nobody else: %s', async (_name, parts) => {
    await using scene = await grpcScene({ handlers: echo });
    const { client } = scene;
    const unheard: unknown[] = [];
    const hear = (error: unknown) => unheard.push(error);
    process.on('unhandledRejection', hear);
    try {
      const id = client.open('/test.Test/Unary', parts, zipped);
      // Another one is decompressed after it.
      expect(textsOf(await client.call('/test.Test/Unary', [prefixed(gzipSync('y'), 1)], zipped))).toEqual(['y']);
      await settled();
      client.send(reset(id));
      expect(textsOf(await client.call('/test.Test/Unary', [prefixed('z')]))).toEqual(['z']);
      expect(unheard).toEqual([]);
    } finally {
      process.off('unhandledRejection', hear);
    }
  });
});

test('a message that is compressed is decompressed once its call ends the request, and no call waits for another', async () => {
  await using scene = await grpcScene({ handlers: echo });
  const { client } = scene;
  const large = client.call(
    '/test.Test/Unary',
    [prefixed(gzipSync(Buffer.alloc(900_000, 'x')), 1)],
    [['grpc-encoding', 'gzip']],
  );
  expect(textsOf(await client.call('/test.Test/Unary', [prefixed('small')]))).toEqual(['small']);
  expect(messagesOf((await large).body)[0]?.bytes).toHaveLength(900_000);
});
