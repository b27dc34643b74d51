/** Calls over a real socket, written by hand: the four kinds, their messages, their metadata, and what is refused. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { StatusError } from '../../../../src/rpc/native/handler.ts';
import { replyOf } from '../../../../src/rpc/reply.ts';
import {
  callFields,
  type FrameClient,
  messagesOf,
  prefixed,
  statusOf,
  textsOf,
} from '../../../support/frame-client.ts';
import { data, type Fields, requestFields } from '../../../support/frames.ts';
import { echo, type GrpcScene, grpcScene } from '../../../support/grpc-scene.ts';

const limit = 100_000;
const binary = Buffer.from([0, 1, 0xfe, 0xff, 0x2c]);

const handlers: Parameters<typeof grpcScene>[0]['handlers'] = {
  ...echo,
  /** Gives back the metadata whose names begin with x-, at the head and at the end. */
  Metadata: {
    kind: 'unary',
    async handle(request, call) {
      const own = call.headers.filter(({ name }) => name.startsWith('x-'));
      call.addHeaders(own.map(({ name, value }) => ({ name: `${name.replace(/^x-/, 'head-')}`, value })));
      call.addTrailers(own.map(({ name, value }) => ({ name: `${name.replace(/^x-/, 'end-')}`, value })));
      return replyOf(request);
    },
  },
  /** Fails with the request as its words. */
  Fail: {
    kind: 'unary',
    async handle(request, call) {
      call.addHeaders([{ name: 'head', value: 'h' }]);
      throw new StatusError({ code: 9, message: request.toString(), trailers: [{ name: 'why-bin', value: 'AAE' }] });
    },
  },
  Break: {
    kind: 'unary',
    handle: () => Promise.reject(new Error('the secret is 42')),
  },
  /** Says two answers, then fails. */
  FailLater: {
    kind: 'server_stream',
    async *handle() {
      yield replyOf(Buffer.from('one'));
      yield replyOf(Buffer.from('two'));
      throw new StatusError({ code: 5, message: 'no more' });
    },
  },
  Who: {
    kind: 'unary',
    handle: async (_request, { path, authority, caller }) =>
      replyOf(Buffer.from(`${path} ${authority} ${caller.kind}`)),
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

describe('each kind of call', () => {
  test('unary: a message, a message, OK', async () => {
    const answer = await ask('Unary', text('hello'));
    expect(answer.head).toEqual(okHead);
    expect(answer.end).toEqual({ 'grpc-status': '0' });
    expect({ texts: textsOf(answer), reset: answer.reset }).toEqual({ texts: ['hello'], reset: undefined });
  });

  test('from many to one', async () => {
    expect(textsOf(await ask('Collect', text('a', '', 'ccc')))).toEqual(['a||ccc']);
    expect(textsOf(await ask('Collect', []))).toEqual(['']);
  });

  test('from one to many', async () => {
    expect(textsOf(await ask('Split', text('a|bb||c')))).toEqual(['a', 'bb', '', 'c']);
  });

  test('from many to many, none to none', async () => {
    expect(textsOf(await ask('Echo', text('a', '', 'b')))).toEqual(['a', '', 'b']);
    const none = await ask('Echo', []);
    expect({ status: statusOf(none), head: none.head, body: none.body.length }).toEqual({
      status: '0',
      head: okHead,
      body: 0,
    });
  });

  test('back and forth, an answer to each before the next is asked', async () => {
    const id = client.open('/test.Test/Echo');
    for (let i = 1; i <= 5; i++) {
      client.send(data(id, prefixed(`${i}`)));
      await client.until(() => messagesOf(client.answer(id).body).length === i);
    }
    client.send(data(id, '', 'end'));
    expect(textsOf(await client.ended(id))).toEqual(['1', '2', '3', '4', '5']);
  });

  test('knows what it is called by, and who calls', async () => {
    expect(textsOf(await ask('Who', text('')))).toEqual(['/test.Test/Who localhost anonymous']);
  });
});

describe('messages', () => {
  test.each(['Unary', 'Collect', 'Echo'])('for %s may be cut by frames at every byte', async (name) => {
    const bodies = name === 'Unary' ? text('hello') : text('first', '', 'last');
    const body = Buffer.concat(bodies);
    const whole = await ask(name, bodies);
    const cuts = Array.from({ length: body.length + 1 }, (_, at) =>
      ask(name, [body.subarray(0, at), body.subarray(at)]),
    );
    for (const answer of await Promise.all(cuts))
      expect(answer).toMatchObject({ body: whole.body, end: { 'grpc-status': '0' } });
  });

  test('may come many in a frame, and one in many', async () => {
    expect(textsOf(await ask('Collect', [Buffer.concat(text(...'abcdefgh'))]))).toEqual(['a|b|c|d|e|f|g|h']);
    const large = Buffer.alloc(limit, 'large');
    expect(textsOf(await ask('Unary', [prefixed(large)]))[0] === large.toString()).toBe(true);
  });

  test('may end in the frame that ends the request', async () => {
    const id = client.open('/test.Test/Unary');
    client.send(data(id, prefixed('x'), 'end'));
    expect(textsOf(await client.ended(id))).toEqual(['x']);
  });

  test.each([
    ['none at all', [], '13 the request has no message'],
    ['two in a frame', [Buffer.concat(text('a', 'b'))], '13 the request has more than one message'],
    ['two in two', text('a', 'b'), '13 the request has more than one message'],
    ['one cut in its prefix', [Buffer.from('0000', 'hex')], '13 the request ends inside a message'],
    ['one cut after its prefix', [Buffer.from('0000000005', 'hex')], '13 the request ends inside a message'],
    ['one cut before its last byte', [prefixed('hello').subarray(0, 9)], '13 the request ends inside a message'],
    ['one and a byte', [prefixed('hello'), Buffer.from([0])], '13 the request ends inside a message'],
    ['one that begins with 2', [prefixed('x', 2)], '13 a message begins with neither 0 nor 1'],
    ['one that is too large', [Buffer.from('00000186a1', 'hex')], `8 the message is over ${limit} bytes`],
    ['one of four gigabytes', [Buffer.from('00ffffffff', 'hex')], `8 the message is over ${limit} bytes`],
    [
      'one compressed, and nothing says how',
      [prefixed('x', 1)],
      '13 a message is compressed, and grpc-encoding does not say how',
    ],
  ] as const)('that are wrong end a unary call, with its reason: %s', async (_name, parts, expected) => {
    const answer = await ask('Unary', parts);
    expect(statusOf(answer)).toBe(expected);
    // One block of fields is the whole answer.
    expect(answer.head).toBe(answer.end);
    expect(answer.head).toMatchObject(okHead);
  });

  test.each([
    ['one cut', [prefixed('a'), prefixed('b').subarray(0, 5)], '13 the request ends inside a message'],
    [
      'one that is too large',
      [prefixed('a'), Buffer.from('00000186a1', 'hex')],
      `8 the message is over ${limit} bytes`,
    ],
    [
      'one compressed, and nothing says how',
      [prefixed('a'), prefixed('x', 1)],
      '13 a message is compressed, and grpc-encoding does not say how',
    ],
  ] as const)('that are wrong end a stream, with its reason: %s', async (_name, parts, expected) => {
    for (const name of ['Echo', 'Collect']) expect(statusOf(await ask(name, parts))).toBe(expected);
  });

  test('that are wrong end a call before the request has ended: RST_STREAM with NO_ERROR, and the rest is dropped', async () => {
    const id = client.open('/test.Test/Unary', [Buffer.from('00000186a1', 'hex')]);
    const answer = await client.ended(id);
    await client.until(() => answer.reset !== undefined);
    expect({ status: statusOf(answer), reset: answer.reset }).toEqual({
      status: `8 the message is over ${limit} bytes`,
      reset: 0,
    });
    client.send(data(id, Buffer.alloc(5_000)), data(id, '', 'end'));
    expect(textsOf(await ask('Unary', text('after')))).toEqual(['after']);
  });

  test('that are wrong in many ways end a call once', async () => {
    await using own = await grpcScene({ handlers });
    await own.client.call('/test.Test/Unary', [Buffer.concat(text('a', 'b', 'c', 'd'))]);
    expect(own.refusals).toEqual([{ kind: 'malformed', path: '/test.Test/Unary' }]);
    await own.client.call('/test.Test/Unary', [Buffer.concat([prefixed('a', 1), prefixed('b', 1), prefixed('c', 7)])]);
    expect(own.refusals).toHaveLength(2);
  });
});

describe('metadata', () => {
  test('goes in and out, at the head and at the end, with bytes as base64 without padding, in any order and twice', async () => {
    const value = binary.toString('base64').replace(/=+$/, '');
    const own: Fields = [
      ['x-a', 'one, two'],
      ['x-b-bin', value],
      ['x-empty', ''],
    ];
    const answer = await ask('Metadata', text('m'), own);
    expect(answer.head).toMatchObject({ 'head-a': 'one, two', 'head-b-bin': value, 'head-empty': '' });
    expect(answer.end).toEqual({ 'grpc-status': '0', 'end-a': 'one, two', 'end-b-bin': value, 'end-empty': '' });
    expect(Buffer.from(answer.end['end-b-bin'] ?? '', 'base64')).toEqual(binary);
  });

  test('of a failure is all in one block', async () => {
    const answer = await ask('Fail', text('100% \u00fcber\n'));
    expect(answer.end).toEqual({
      ...okHead,
      ...{ head: 'h', 'grpc-status': '9', 'grpc-message': '100%25 %C3%BCber%0A', 'why-bin': 'AAE' },
    });
    expect(answer.body).toHaveLength(0);
  });
});

describe('a method', () => {
  test('that throws what is no status ends with words that tell nothing of it', async () => {
    expect(statusOf(await ask('Break', text('x')))).toBe('2 the server failed');
  });

  test('that fails after its answers ends with its status after them', async () => {
    const answer = await ask('FailLater', text('x'));
    expect({ texts: textsOf(answer), status: statusOf(answer) }).toEqual({
      texts: ['one', 'two'],
      status: '5 no more',
    });
  });

  test('that nobody offers is UNIMPLEMENTED, whatever its name', async () => {
    for (const path of ['/test.Test/Nobody', '/', '/test.Test/Unary/', 'test.Test/Unary', '/test.Test/unary', '*']) {
      const answer = await client.call(path, text('x'));
      expect(statusOf(answer)).toBe('12 no method of this name is offered here');
    }
  });
});

describe('what is no call of ours', () => {
  test.each([
    ['another method of HTTP', '405', [[':method', 'PUT'], ...callFields('/test.Test/Unary').slice(1)]],
    ['another type', '415', requestFields([['content-type', 'text/html']], '/test.Test/Unary')],
    ['no type', '415', requestFields([], '/test.Test/Unary')],
    [
      'too many fields',
      '431',
      callFields('/test.Test/Unary', [
        ['x-a', 'a'.repeat(9_000)],
        ['x-b', 'b'.repeat(9_000)],
      ]),
    ],
  ] satisfies [string, string, Fields][])('gets its HTTP status and the end: %s', async (_name, status, fields) => {
    for (const end of ['end', ''] as const) {
      const id = client.nextId();
      client.send(client.blocks.headers(id, fields, end));
      const answer = await client.ended(id);
      expect({ fields: answer.end, body: answer.body.length }).toEqual({ fields: { ':status': status }, body: 0 });
    }
    expect(textsOf(await ask('Unary', text('after')))).toEqual(['after']);
  });

  test.each([
    [
      'an encoding that nobody knows',
      [['grpc-encoding', 'snappy']],
      '12 the encoding of the messages is not known here',
    ],
    [
      'a deadline that is none',
      [['grpc-timeout', '1s']],
      '13 grpc-timeout is not 1 to 8 digits and one of H, M, S, m, u, n',
    ],
  ] satisfies [string, Fields, string][])('gets its status and the end: %s', async (_name, more, expected) => {
    const answer = await ask('Unary', text('x'), more);
    expect(statusOf(answer)).toBe(expected);
    expect(answer.head).toMatchObject(okHead);
  });
});

test('many calls at once on one connection are each answered with their own', async () => {
  const texts = Array.from({ length: 500 }, (_, i) => `${i}-`.repeat(1 + (i % 50)));
  const answers = await Promise.all(texts.map((each) => ask('Unary', text(each))));
  expect(answers.map((answer) => textsOf(answer)[0])).toEqual(texts);
});
