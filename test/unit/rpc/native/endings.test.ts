/** How calls end before their time: deadlines, callers who give up, servers that leave. */
import { describe, expect, test } from 'vitest';
import { type Handler, StatusError } from '../../../../src/rpc/native/handler.ts';
import { replyOf } from '../../../../src/rpc/reply.ts';
import { prefixed, statusOf, textsOf } from '../../../support/frame-client.ts';
import { data, type Fields, reset, windowUpdate } from '../../../support/frames.ts';
import { echo, grpcScene, heldUnary, watchedReply } from '../../../support/grpc-scene.ts';
import { settled } from '../../../support/memory-socket.ts';

const aborted = (signal: AbortSignal) =>
  new Promise<unknown>((done) => {
    if (signal.aborted) done(signal.reason);
    signal.addEventListener('abort', () => done(signal.reason), { once: true });
  });

/** A stream that says what it is asked, then waits for its signal; it keeps why it ended. */
function waiting(): {
  readonly handler: Handler;
  readonly began: Promise<AbortSignal>;
  readonly ended: Promise<unknown>;
} {
  const [began, ended] = [Promise.withResolvers<AbortSignal>(), Promise.withResolvers<unknown>()];
  return {
    began: began.promise,
    ended: ended.promise,
    handler: {
      kind: 'server_stream',
      async *handle(request, { signal }) {
        began.resolve(signal);
        try {
          yield replyOf(request);
          await aborted(signal);
        } finally {
          ended.resolve(signal.reason);
        }
      },
    },
  };
}

const call = (more: Fields = []) => ['/test.Test/Held', [prefixed('x')], more] as const;

describe('a deadline', () => {
  test.each([
    ['2S', 2_000],
    ['3m', 3],
    ['1M', 60_000],
    ['1H', 3_600_000],
    ['4000u', 4],
  ])('of %s ends a call whose method never answers, at its time', async (timeout, milliseconds) => {
    const held = heldUnary();
    await using scene = await grpcScene({ handlers: { Held: held.handler } });
    const [next, answer] = [held.next(), scene.client.call(...call([['grpc-timeout', timeout]]))];
    const { call: asked } = await next;
    await settled();
    scene.clock.advance(milliseconds - 1);
    expect(asked.signal.aborted).toBe(false);
    scene.clock.advance(1);
    expect(asked.signal.reason).toMatchObject({ status: { code: 4 } });
    expect(statusOf(await answer)).toBe('4 the deadline has passed');
    expect(scene.refusals).toEqual([{ kind: 'deadline', path: undefined }]);
  });

  test('counts from the head of the call, and holds while the request is still coming', async () => {
    await using scene = await grpcScene({ handlers: echo });
    const { client, clock } = scene;
    const id = client.open('/test.Test/Unary', [prefixed('hello').subarray(0, 7)], [['grpc-timeout', '1S']]);
    await client.call('/test.Test/Unary', [prefixed('x')]);
    await settled();
    clock.advance(1_000);
    expect(statusOf(await client.ended(id))).toBe('4 the deadline has passed');
    expect(scene.refusals).toEqual([{ kind: 'deadline', path: '/test.Test/Unary' }]);
  });

  test('that has passed already ends a call that is not answered in its turn', async () => {
    const held = heldUnary();
    await using scene = await grpcScene({ handlers: { Held: held.handler } });
    const answer = scene.client.call(...call([['grpc-timeout', '0n']]));
    await held.next();
    await settled();
    scene.clock.advance(0);
    expect(statusOf(await answer)).toBe('4 the deadline has passed');
  });

  test('is forgotten with the call, however that ended', async () => {
    const held = heldUnary();
    await using scene = await grpcScene({ handlers: { ...echo, Held: held.handler } });
    const { client, clock } = scene;
    const before = clock.timers;
    await client.call('/test.Test/Unary', [prefixed('x')], [['grpc-timeout', '1S']]);
    const next = held.next();
    const answer = client.call(...call([['grpc-timeout', '1S']]));
    const { answer: say } = await next;
    await settled();
    expect(clock.timers).toBe(before + 1);
    say(replyOf(Buffer.from('y')));
    await answer;
    expect(clock.timers).toBe(before);
  });

  test('that passes in the middle of a stream ends it after what it has said', async () => {
    const stream = waiting();
    await using scene = await grpcScene({ handlers: { Held: stream.handler } });
    const answer = scene.client.call(...call([['grpc-timeout', '5S']]));
    await scene.client.until(() => scene.client.answer(1).body.length > 0);
    await settled();
    scene.clock.advance(5_000);
    const end = await answer;
    expect({ texts: textsOf(end), status: statusOf(end) }).toEqual({
      texts: ['x'],
      status: '4 the deadline has passed',
    });
    expect(await stream.ended).toMatchObject({ status: { code: 4 } });
  });
});

describe('a caller who gives up', () => {
  test('is told to the method with the reason, and counts until the method has ended', async () => {
    const held = heldUnary();
    await using scene = await grpcScene({ handlers: { Held: held.handler } });
    const { client, server } = scene;
    const next = held.next();
    const id = client.open('/test.Test/Held', [prefixed('x')]);
    client.send(data(id, '', 'end'));
    const { call: asked, answer } = await next;
    client.send(reset(id));
    expect(await aborted(asked.signal)).toMatchObject({ status: { code: 1, message: 'the caller gave up' } });
    expect(server.calls.size).toBe(1);
    const late = watchedReply('late');
    answer(late);
    await settled();
    expect(late.events).toEqual(['disposed']);
    expect(server.calls.size).toBe(0);
  });

  test('by closing the connection ends every call on it', async () => {
    const [held, stream] = [heldUnary(), waiting()];
    await using scene = await grpcScene({ handlers: { Held: held.handler, Stream: stream.handler, Echo: echo.Echo } });
    const client = await scene.connect();
    const next = held.next();
    void client.call(...call()).catch(() => {});
    void client.call('/test.Test/Stream', [prefixed('x')]).catch(() => {});
    client.open('/test.Test/Echo', [prefixed('x')]);
    const { call: asked, fail } = await next;
    await stream.began;
    client.socket.destroy();
    expect(await aborted(asked.signal)).toBeInstanceOf(StatusError);
    expect(await stream.ended).toBeInstanceOf(StatusError);
    fail(new Error('late'));
    await settled();
    expect(scene.server.calls.size).toBe(0);
  });

  test('before the method was asked wakes none', async () => {
    const held = heldUnary();
    await using scene = await grpcScene({ handlers: { ...echo, Held: held.handler } });
    const { client } = scene;
    const id = client.open('/test.Test/Held', [prefixed('x')]);
    client.send(reset(id));
    await client.call('/test.Test/Unary', [prefixed('y')]);
    expect(held.calls).toEqual([]);
    expect(scene.refusals).toEqual([{ kind: 'cancelled', path: '/test.Test/Held' }]);
    expect(scene.server.calls.size).toBe(0);
  });

  test('in the middle of a stream of requests ends the wait for the next', async () => {
    const [seen, ended] = [Promise.withResolvers<string>(), Promise.withResolvers<unknown>()];
    const handler: Handler = {
      kind: 'client_stream',
      async handle(requests) {
        try {
          for await (const request of requests) seen.resolve(request.toString());
        } catch (error) {
          ended.resolve(error);
        }
        return replyOf(Buffer.alloc(0));
      },
    };
    await using scene = await grpcScene({ handlers: { Held: handler } });
    const id = scene.client.open('/test.Test/Held', [prefixed('one')]);
    expect(await seen.promise).toBe('one');
    scene.client.send(reset(id));
    expect(await ended.promise).toMatchObject({ status: { code: 1 } });
    await settled();
    expect(scene.server.calls.size).toBe(0);
  });
});

describe('a server that ends', () => {
  test('lets calls finish and takes no more of them, then has closed', async () => {
    const held = heldUnary();
    await using scene = await grpcScene({ handlers: { ...echo, Held: held.handler } });
    const { client, server } = scene;
    const [next, answer] = [held.next(), client.call(...call())];
    const { answer: say } = await next;
    const drained = server.drain(5_000);
    await client.until(() => client.said.some((line) => line.startsWith('PING')));
    expect(client.said).toContain('GOAWAY 2147483647 NO_ERROR');
    // On its way before the client has heard of it.
    expect(textsOf(await client.call('/test.Test/Unary', [prefixed('late')]))).toEqual(['late']);
    client.send(Buffer.from('000008060100000000', 'hex'), Buffer.from('leaving\0'));
    await client.until(() => client.said.some((line) => line.startsWith('GOAWAY 3 ')));
    const refused = client.open('/test.Test/Unary');
    expect((await client.ended(refused)).reset).toBe(7);
    say(replyOf(Buffer.from('done')));
    expect(textsOf(await answer)).toEqual(['done']);
    await drained;
    expect(server.calls.size).toBe(0);
  });

  test('cuts what has not ended when its time is over', async () => {
    const held = heldUnary();
    await using scene = await grpcScene({ handlers: { Held: held.handler } });
    const { client, server, clock } = scene;
    const [next, answer] = [held.next(), client.call(...call())];
    const { call: asked } = await next;
    const drained = server.drain(5_000);
    clock.advance(5_000);
    await drained;
    await expect(answer).rejects.toThrow('the connection closed');
    expect(asked.signal.aborted).toBe(true);
  });

  test('asks a method to end with an error, which is the status of its call', async () => {
    const stream = waiting();
    await using scene = await grpcScene({ handlers: { Held: stream.handler } });
    const answer = scene.client.call(...call());
    await stream.began;
    for (const open of scene.server.calls) open.abort(new StatusError({ code: 14, message: 'come again' }));
    expect(statusOf(await answer)).toBe('14 come again');
    expect(await stream.ended).toMatchObject({ status: { code: 14 } });
  });

  test('tells a call so as well that waits for its caller to make room', async () => {
    const handler: Handler = {
      kind: 'server_stream',
      async *handle() {
        for (;;) yield replyOf(Buffer.alloc(1_000));
      },
    };
    await using scene = await grpcScene({ handlers: { Held: handler } });
    const client = await scene.connect([[4, 5_000]]);
    const answer = client.call(...call());
    await client.until(() => client.answer(1).body.length === 5_000);
    answer.catch(() => {});
    for (const open of scene.server.calls) open.abort(new StatusError({ code: 14, message: 'come again' }));
    await settled();
    expect(scene.server.calls.size).toBe(0);
    client.send(windowUpdate(1, 10_000));
    expect(statusOf(await answer)).toBe('14 come again');
  });

  test('tells a call so as well whose request has not ended', async () => {
    await using scene = await grpcScene({ handlers: echo });
    const id = scene.client.open('/test.Test/Unary', [prefixed('x')]);
    await scene.client.call('/test.Test/Nobody', [prefixed('x')]);
    for (const open of scene.server.calls) open.abort(new StatusError({ code: 14, message: 'come again' }));
    await scene.client.call('/test.Test/Nobody', [prefixed('x')]);
    expect(statusOf(scene.client.answer(id))).toBe('14 come again');
  });
});
