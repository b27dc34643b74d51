/** Keyproxy's methods on its own transport: every call is counted once, and every failure has a reason of keyproxy's. */
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { KeyproxyError } from '../../../../src/base/errors.ts';
import type { Identify } from '../../../../src/identity/identify.ts';
import type { Listener } from '../../../../src/rpc/listener.ts';
import type { BidiStreamMethod, Method, ServerStreamMethod, UnaryMethod } from '../../../../src/rpc/method.ts';
import { listen } from '../../../../src/rpc/native/listener.ts';
import { replyOf } from '../../../../src/rpc/reply.ts';
import { errorTold } from '../../../support/client-errors.ts';
import { temporaryFolder } from '../../../support/daemon.ts';
import { FakeClock } from '../../../support/fake-clock.ts';
import { type Answer, FrameClient, prefixed, textsOf } from '../../../support/frame-client.ts';
import { data, type Fields, reset } from '../../../support/frames.ts';
import { settled } from '../../../support/memory-socket.ts';

const named = { service: 'test.Test', exempt: false };
const unary = (name: string, handle: UnaryMethod['handle']): Method => ({ ...named, kind: 'unary', name, handle });
const untilAborted = (signal: AbortSignal) =>
  new Promise<never>((_done, fail) => {
    if (signal.aborted) fail(signal.reason);
    signal.addEventListener('abort', () => fail(signal.reason));
  });

const methods: Method[] = [
  unary('Echo', async (_caller, request) => replyOf(request)),
  { ...named, exempt: true, kind: 'unary', name: 'Free', handle: async (_caller, request) => replyOf(request) },
  unary('Unknown', () => Promise.reject(new KeyproxyError('TENANT_UNKNOWN', { detail: 'nobody' }))),
  unary('Broken', () => Promise.reject(new TypeError('the secret is 42'))),
  unary('Wait', (_caller, _request, signal) => untilAborted(signal)),
  unary('Who', async (caller) => replyOf(Buffer.from(caller.kind))),
  {
    ...named,
    kind: 'server_stream',
    name: 'Watch',
    async *handle(_caller, request, signal) {
      yield replyOf(request);
      await untilAborted(signal);
    },
  } satisfies ServerStreamMethod,
  {
    ...named,
    kind: 'bidi_stream',
    name: 'Talk',
    async *handle(_caller, requests) {
      for await (const request of requests) yield replyOf(request);
    },
  } satisfies BidiStreamMethod,
];

interface Bench extends AsyncDisposable {
  readonly client: FrameClient;
  readonly clock: FakeClock;
  readonly listener: Listener;
  /** `Echo` for a start, `Echo OK` for an end, `Echo!` for a failure of our own. */
  readonly events: string[];
  /** The failed calls of the log. */
  call(name: string, parts?: readonly Buffer[], more?: Fields): Promise<Answer>;
}

async function bench({ marked = false, identify }: { marked?: boolean; identify?: Identify } = {}): Promise<Bench> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const path = join(folder.path, 's');
  const clock = new FakeClock();
  const events: string[] = [];
  const listener = await listen({
    ...{ target: `unix:${path}`, caller: { kind: 'socket' }, marked, methods, maxMessageBytes: 1_000, clock },
    ...{ maxConnections: 10, identify },
    observer: {
      started: ({ name }) => events.push(name),
      handled: ({ name }, code) => events.push(`${name} ${code}`),
      failed: ({ name }) => events.push(`${name}!`),
      broke: () => events.push('broke'),
      turnedAway: () => events.push('turned away'),
    },
  });
  const client = await FrameClient.connect(path);
  stack.defer(async () => {
    client[Symbol.dispose]();
    await listener.drain(0);
  });
  const rest = stack.move();
  return {
    ...{ client, clock, listener, events },
    call: (name, parts = [prefixed('x')], more = []) => client.call(`/test.Test/${name}`, parts, more),
    [Symbol.asyncDispose]: () => rest.disposeAsync(),
  };
}

/** The canonical code and the reason of an answer; its details agree with its status, or this throws. */
function told({ end }: Answer): string {
  const details = Buffer.from(end['grpc-status-details-bin'] ?? '', 'base64');
  const words = decodeURIComponent(end['grpc-message'] ?? '');
  const { code, reason } = errorTold(Number(end['grpc-status']), words, details);
  return `${code} ${reason}`.trim();
}

describe('a call is counted once', () => {
  test('where it succeeds, in every kind', async () => {
    await using scene = await bench();
    expect(textsOf(await scene.call('Echo'))).toEqual(['x']);
    expect(textsOf(await scene.call('Talk', [prefixed('a'), prefixed('b')]))).toEqual(['a', 'b']);
    expect(scene.events).toEqual(['Echo', 'Echo OK', 'Talk', 'Talk OK']);
  });

  test('where it fails with a reason, and where it breaks, which the log hears of and the caller does not', async () => {
    await using scene = await bench();
    expect(told(await scene.call('Unknown'))).toBe('5 TENANT_UNKNOWN');
    const broken = await scene.call('Broken');
    expect(told(broken)).toBe('13 INTERNAL');
    expect(JSON.stringify(broken.end)).not.toContain('42');
    expect(scene.events).toEqual(['Unknown', 'Unknown NOT_FOUND', 'Broken', 'Broken INTERNAL', 'Broken!']);
  });

  const refusals: readonly (readonly [string, string, readonly Buffer[], Fields, string, string])[] = [
    ['two messages', 'Echo', [prefixed('a'), prefixed('b')], [], '3 REQUEST_MALFORMED', 'INVALID_ARGUMENT'],
    [
      'ten messages in a frame',
      'Echo',
      [Buffer.concat(Array.from({ length: 10 }, () => prefixed('a')))],
      [],
      '3 REQUEST_MALFORMED',
      'INVALID_ARGUMENT',
    ],
    ['no message', 'Echo', [], [], '3 REQUEST_MALFORMED', 'INVALID_ARGUMENT'],
    ['a cut message', 'Echo', [Buffer.from([0])], [], '3 REQUEST_MALFORMED', 'INVALID_ARGUMENT'],
    ['a large message', 'Echo', [prefixed(Buffer.alloc(1_001))], [], '8 MESSAGE_TOO_LARGE', 'RESOURCE_EXHAUSTED'],
    [
      'a message that is large inside',
      'Echo',
      [prefixed(gzipSync(Buffer.alloc(1_001)), 1)],
      [['grpc-encoding', 'gzip']],
      '8 MESSAGE_TOO_LARGE',
      'RESOURCE_EXHAUSTED',
    ],
    [
      'a message that is not gzip',
      'Echo',
      [prefixed('x', 1)],
      [['grpc-encoding', 'gzip']],
      '3 REQUEST_MALFORMED',
      'INVALID_ARGUMENT',
    ],
    ['an unknown encoding', 'Echo', [prefixed('x')], [['grpc-encoding', 'br']], '12 ENCODING_UNKNOWN', 'UNIMPLEMENTED'],
    [
      'a malformed deadline',
      'Echo',
      [prefixed('x')],
      [['grpc-timeout', '1']],
      '3 REQUEST_MALFORMED',
      'INVALID_ARGUMENT',
    ],
    [
      'a cut message of a stream',
      'Talk',
      [prefixed('a'), Buffer.from([0])],
      [],
      '3 REQUEST_MALFORMED',
      'INVALID_ARGUMENT',
    ],
    [
      'a large message of a stream',
      'Talk',
      [prefixed('a'), prefixed(Buffer.alloc(1_001))],
      [],
      '8 MESSAGE_TOO_LARGE',
      'RESOURCE_EXHAUSTED',
    ],
    [
      'a message of a stream that is large inside',
      'Talk',
      [prefixed(gzipSync(Buffer.alloc(1_001)), 1)],
      [['grpc-encoding', 'gzip']],
      '8 MESSAGE_TOO_LARGE',
      'RESOURCE_EXHAUSTED',
    ],
    [
      'a message of a stream that is not gzip',
      'Talk',
      [prefixed('x', 1)],
      [['grpc-encoding', 'gzip']],
      '3 REQUEST_MALFORMED',
      'INVALID_ARGUMENT',
    ],
  ];

  test.each(refusals)('where the transport refuses it: %s', async (_name, method, parts, more, expected, code) => {
    await using scene = await bench();
    expect(told(await scene.call(method, parts, more))).toBe(expected);
    await settled();
    // Whoever sends what is wrong is no failure of ours.
    expect(scene.events).toEqual([method, `${method} ${code}`]);
  });

  test('where its deadline passes: while it is handled, while it waits, and in the middle of a stream', async () => {
    await using scene = await bench();
    const { client, clock } = scene;
    const timeout: Fields = [['grpc-timeout', '1S']];
    const handled = [scene.call('Wait', undefined, timeout), scene.call('Watch', undefined, timeout)];
    const id = client.open('/test.Test/Echo', [], timeout);
    await scene.call('Free');
    await settled();
    clock.advance(1_000);
    for (const answer of [...handled, client.ended(id)]) expect(told(await answer)).toBe('4 DEADLINE_EXCEEDED');
    await settled();
    const counted = scene.events.filter((event) => !event.startsWith('Free')).sort();
    expect(counted).toEqual(['Wait', 'Watch', 'Echo'].flatMap((name) => [name, `${name} DEADLINE_EXCEEDED`]).sort());
  });

  test('where its caller gives up, and not at all where that was before it began', async () => {
    await using scene = await bench();
    const { client } = scene;
    const early = client.open('/test.Test/Echo', [prefixed('x')]);
    client.send(reset(early));
    const ids = ['Wait', 'Watch'].map((name) => {
      const id = client.open(`/test.Test/${name}`, [prefixed('x')]);
      client.send(data(id, '', 'end'));
      return id;
    });
    await scene.call('Free');
    client.send(...ids.map((id) => reset(id)));
    await scene.call('Free');
    await settled();
    const counted = scene.events.filter((event) => !event.startsWith('Free')).sort();
    expect(counted).toEqual(['Wait', 'Wait CANCELLED', 'Watch', 'Watch CANCELLED']);
  });

  test('and is none where nobody offers the method', async () => {
    await using scene = await bench();
    expect(told(await scene.call('Nobody'))).toBe('12 METHOD_UNKNOWN');
    expect(scene.events).toEqual([]);
  });
});

describe('where calls have to be marked', () => {
  const marks: readonly (readonly [string, Fields, boolean])[] = [
    ['no mark', [], false],
    ['the mark', [['keyproxy-request', 'true']], true],
    ['another value', [['keyproxy-request', 'yes']], false],
    [
      'both',
      [
        ['keyproxy-request', 'yes'],
        ['keyproxy-request', 'true'],
      ],
      true,
    ],
  ];

  test.each(marks)('a call with %s', async (_name, more, isServed) => {
    await using scene = await bench({ marked: true });
    for (const name of ['Echo', 'Who', 'Talk']) {
      const answer = await scene.call(name, undefined, more);
      expect(isServed ? answer.end['grpc-status'] : told(answer)).toBe(isServed ? '0' : '7 REQUEST_UNMARKED');
    }
    expect(scene.events.filter((event) => event.endsWith(isServed ? 'OK' : 'PERMISSION_DENIED'))).toHaveLength(3);
    expect(textsOf(await scene.call('Free'))).toEqual(['x']);
  });
});

test('a method hears who calls', async () => {
  await using scene = await bench();
  expect(textsOf(await scene.call('Who'))).toEqual(['socket']);
});

describe('the end of a listener', () => {
  test('ends streams at once with SHUTTING_DOWN, and lets calls go on until shortly before its time', async () => {
    await using scene = await bench();
    const { clock, client } = scene;
    const [wait, watch] = [scene.call('Wait'), scene.call('Watch')];
    await scene.call('Free');
    const drained = scene.listener.drain(5_000);
    expect(told(await watch)).toBe('14 SHUTTING_DOWN');
    await settled();
    clock.advance(4_700);
    await settled();
    expect(client.answer(1).hasEnded).toBe(false);
    clock.advance(100);
    const told14 = errorTold(
      14,
      decodeURIComponent((await wait).end['grpc-message'] ?? ''),
      Buffer.from((await wait).end['grpc-status-details-bin'] ?? '', 'base64'),
    );
    expect(told14).toMatchObject({ reason: 'SHUTTING_DOWN', retryAfterMs: 1_000 });
    client.socket.end();
    await drained;
    expect(scene.events.filter((event) => event.includes(' UNAVAILABLE'))).toEqual([
      'Watch UNAVAILABLE',
      'Wait UNAVAILABLE',
    ]);
  });
});
