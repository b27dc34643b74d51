/** A peer's mistakes about one stream: it ends with the code of RFC 9113, and the connection goes on. */
import { describe, expect, test } from 'vitest';
import {
  data,
  type Fields,
  flag,
  frame,
  goAway,
  padded,
  ping,
  requestFields,
  windowUpdate,
} from '../../support/frames.ts';
import { answerWith, openScene, type Scene } from '../../support/h2-scene.ts';

const begin = ({ blocks }: Scene, id = 1, end: 'end' | '' = '') => blocks.headers(id, requestFields(), end);

interface StreamMistake {
  readonly name: string;
  readonly sent: (scene: Scene) => Buffer[];
  readonly told: string;
}

const open = (scene: Scene, more: Fields = []) => scene.blocks.headers(1, requestFields(more));
const trailers = (scene: Scene, fields: Fields) => scene.blocks.headers(1, fields, 'end');

const ofStreams: StreamMistake[] = [
  {
    name: 'DATA after the end of the request',
    sent: (scene) => [begin(scene, 1, 'end'), data(1, 'x')],
    told: 'STREAM_CLOSED',
  },
  {
    name: 'HEADERS after the end of the request',
    sent: (scene) => [begin(scene, 1, 'end'), begin(scene, 1, 'end')],
    told: 'STREAM_CLOSED',
  },
  {
    name: 'HEADERS in the middle of a body, which do not end it',
    sent: (scene) => [begin(scene), scene.blocks.headers(1, [['a', 'b']])],
    told: 'PROTOCOL_ERROR',
  },
  {
    name: 'trailers with a pseudo-header field',
    sent: (scene) => [begin(scene), trailers(scene, [[':path', '/']])],
    told: 'PROTOCOL_ERROR',
  },
  {
    name: 'trailers with a capital',
    sent: (scene) => [begin(scene), trailers(scene, [['A', 'b']])],
    told: 'PROTOCOL_ERROR',
  },
  {
    name: 'trailers that are too large',
    sent: (scene) => [
      begin(scene),
      trailers(scene, [
        ['a', 'b'.repeat(8000)],
        ['c', 'd'.repeat(8400)],
      ]),
    ],
    told: 'ENHANCE_YOUR_CALM',
  },
  {
    name: 'PRIORITY of 4 bytes',
    sent: (scene) => [begin(scene), frame('PRIORITY', 0, 1, Buffer.alloc(4))],
    told: 'FRAME_SIZE_ERROR',
  },
  {
    name: 'PRIORITY of a stream that depends on itself',
    sent: (scene) => [begin(scene), frame('PRIORITY', 0, 1, Buffer.from('0000000110', 'hex'))],
    told: 'PROTOCOL_ERROR',
  },
  { name: 'WINDOW_UPDATE of 0', sent: (scene) => [begin(scene), windowUpdate(1, 0)], told: 'PROTOCOL_ERROR' },
  {
    name: 'WINDOW_UPDATE over 2^31 - 1',
    sent: (scene) => [begin(scene), windowUpdate(1, 2 ** 31 - 65_535)],
    told: 'FLOW_CONTROL_ERROR',
  },
  {
    name: 'a body longer than content-length',
    sent: (scene) => [open(scene, [['content-length', '3']]), data(1, 'four')],
    told: 'PROTOCOL_ERROR',
  },
  {
    name: 'a body shorter than content-length',
    sent: (scene) => [open(scene, [['content-length', '3']]), data(1, 'xx', 'end')],
    told: 'PROTOCOL_ERROR',
  },
  {
    name: 'no body where content-length announces one',
    sent: (scene) => [scene.blocks.headers(1, requestFields([['content-length', '1']]), 'end')],
    told: 'PROTOCOL_ERROR',
  },
  {
    name: 'trailers in the place of a body that content-length announces',
    sent: (scene) => [open(scene, [['content-length', '1']]), trailers(scene, [['a', 'b']])],
    told: 'PROTOCOL_ERROR',
  },
];

describe('a stream ends, and the connection goes on, after', () => {
  test.each(ofStreams)('$name', async ({ sent, told }) => {
    const scene = await openScene({ onEnd: ({ stream }) => stream.id !== 1 && answerWith(2)(scene.told(stream.id)) });
    const said = await scene.answer(...sent(scene));
    expect(said).toEqual([`RST_STREAM 1 ${told}`]);
    expect(scene.told(1).events.at(-1)).toMatch(/^reset/);
    expect(await scene.answer(begin(scene, 3, 'end'))).toEqual(['HEADERS 3 :status=200', 'DATA 3 2 END_STREAM']);
  });

  test('DATA over its window', async () => {
    const scene = await openScene({ takes: false, limits: { streamWindow: 10 } });
    expect(await scene.answer(begin(scene), data(1, '0123456789'))).toEqual([]);
    expect(await scene.answer(data(1, 'x'))).toEqual(['RST_STREAM 1 FLOW_CONTROL_ERROR']);
    expect(scene.told(1).body.toString()).toBe('0123456789');
    expect(await scene.answer(ping())).toEqual(['PING "12345678" ack']);
  });

  test.each([
    [
      'no :method',
      [
        [':scheme', 'http'],
        [':path', '/'],
      ],
    ],
    [
      'no :scheme',
      [
        [':method', 'POST'],
        [':path', '/'],
      ],
    ],
    [
      'no :path',
      [
        [':method', 'POST'],
        [':scheme', 'http'],
      ],
    ],
    [
      'an empty :path',
      [
        [':method', 'POST'],
        [':scheme', 'http'],
        [':path', ''],
      ],
    ],
    ['a pseudo-header field of an answer', requestFields([[':status', '200']])],
    ['an unknown pseudo-header field', [[':protocol', 'websocket'], ...requestFields()]],
    ['a pseudo-header field twice', [...requestFields(), [':path', '/']]],
    ['a pseudo-header field after others', [['a', 'b'], ...requestFields()]],
    ['a field whose name is empty', requestFields([['', 'b']])],
    ['a capital in a name', requestFields([['Content-Type', 'a']])],
    ['a space in a name', requestFields([['a b', 'c']])],
    ['a colon in a name', requestFields([['a:b', 'c']])],
    ['a name over ASCII', requestFields([['\u00e4', 'c']])],
    ['a zero in a value', requestFields([['a', 'b\0c']])],
    ['a line feed in a value', requestFields([['a', 'b\nc']])],
    ['a carriage return in a value', requestFields([['a', 'b\rc']])],
    ['a line feed in :path', requestFields([], '/a\nb')],
    ['a space before a value', requestFields([['a', ' b']])],
    ['a tab after a value', requestFields([['a', 'b\t']])],
    ['connection', requestFields([['connection', 'close']])],
    ['keep-alive', requestFields([['keep-alive', '1']])],
    ['proxy-connection', requestFields([['proxy-connection', 'close']])],
    ['transfer-encoding', requestFields([['transfer-encoding', 'chunked']])],
    ['upgrade', requestFields([['upgrade', 'h2c']])],
    ['te that is not trailers', requestFields([['te', 'gzip']])],
    ['a content-length that is no number', requestFields([['content-length', '-1']])],
    [
      'two content-lengths that differ',
      requestFields([
        ['content-length', '1'],
        ['content-length', '2'],
      ]),
    ],
  ] satisfies [string, Fields][])('a request with %s', async (_name, fields) => {
    const scene = await openScene();
    expect(await scene.answer(scene.blocks.headers(1, fields))).toEqual(['RST_STREAM 1 PROTOCOL_ERROR']);
    expect(scene.streams.size).toBe(0);
    // Whoever has not heard of it yet goes on with the request: that is no mistake.
    expect(await scene.answer(data(1, 'late'), goAway(0))).toEqual(['GOAWAY 1 NO_ERROR']);
  });
});

test('what is allowed, and rare, is taken: te, host for :authority, the same content-length twice, odd values', async () => {
  const scene = await openScene();
  const fields: Fields = [
    [':path', '/a'],
    [':scheme', 'http'],
    [':method', 'POST'],
    ['host', 'example'],
    ['te', 'trailers'],
    ['content-length', '2'],
    ['content-length', '2'],
    ['empty', ''],
    ['spaced', 'a b\tc'],
    ['high', '\u00e4\u0001'],
  ];
  expect(await scene.answer(scene.blocks.headers(1, fields), data(1, 'ab', 'end'))).toEqual([]);
  const { head, events } = scene.told(1);
  expect(head).toMatchObject({ method: 'POST', scheme: 'http', path: '/a', authority: 'example', contentLength: 2 });
  expect(head.fields.map(({ name, value }) => [name, value])).toEqual(fields.slice(3));
  expect(events).toEqual(['data 2', 'end']);
});

test('a padded body counts without its padding against content-length, and with it against the window', async () => {
  const scene = await openScene({ takes: false, limits: { streamWindow: 20 } });
  const open = scene.blocks.headers(1, requestFields([['content-length', '4']]));
  // 1 + 4 + 9 bytes: the padding is given back at once.
  expect(
    await scene.answer(open, frame('DATA', flag.padded | flag.endStream, 1, padded(Buffer.from('body'), 9))),
  ).toEqual(['WINDOW_UPDATE 1 10']);
  expect(scene.told(1).events).toEqual(['data 4', 'end']);
});
