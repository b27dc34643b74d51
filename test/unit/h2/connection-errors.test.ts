/** A peer's mistakes that end the connection: with the code of RFC 9113, and words that say which it was. */
import { describe, expect, test } from 'vitest';
import {
  data,
  flag,
  frame,
  greeting,
  number,
  ping,
  requestFields,
  reset,
  settings,
  settingsAck,
  windowUpdate,
} from '../../support/frames.ts';
import { openScene, type Scene } from '../../support/h2-scene.ts';

interface Mistake {
  readonly name: string;
  /** What the peer sends on a connection that stands. */
  readonly sent: (scene: Scene) => Buffer[];
  /** Code and words of the GOAWAY, after the last stream. */
  readonly told: string;
}

const begin = ({ blocks }: Scene, id = 1, end: 'end' | '' = '') => blocks.headers(id, requestFields(), end);
const block = ({ blocks }: Scene) => blocks.block(requestFields());

const ofFrames: Mistake[] = [
  {
    name: 'a frame over 16,384 bytes',
    sent: () => [frame('DATA', 0, 1, Buffer.alloc(16_385))],
    told: '0 FRAME_SIZE_ERROR a frame is larger than SETTINGS_MAX_FRAME_SIZE',
  },
  {
    name: 'a PUSH_PROMISE',
    sent: () => [frame('PUSH_PROMISE', flag.endHeaders, 1, number(2))],
    told: '0 PROTOCOL_ERROR a client does not push',
  },
  { name: 'DATA on no stream', sent: () => [data(0, 'x')], told: '0 PROTOCOL_ERROR DATA needs a stream' },
  {
    name: 'DATA on a stream that has not begun',
    sent: () => [data(1, 'x')],
    told: '0 PROTOCOL_ERROR the stream has not begun',
  },
  {
    name: 'DATA on a stream of the server',
    sent: () => [data(2, 'x')],
    told: '0 PROTOCOL_ERROR the stream has not begun',
  },
  {
    name: 'DATA whose padding is longer than the frame',
    sent: (scene) => [begin(scene), frame('DATA', flag.padded, 1, Buffer.from([5, 1, 2, 3, 4]))],
    told: '1 PROTOCOL_ERROR the padding is longer than the frame',
  },
  {
    name: 'DATA that is padded and empty',
    sent: (scene) => [begin(scene), frame('DATA', flag.padded, 1), ping()],
    told: '1 PROTOCOL_ERROR the padding is longer than the frame',
  },
  {
    name: 'HEADERS on no stream',
    sent: (scene) => [begin(scene, 0)],
    told: '0 PROTOCOL_ERROR HEADERS needs a stream with an odd number',
  },
  {
    name: 'HEADERS on a stream of the server',
    sent: (scene) => [begin(scene, 2)],
    told: '0 PROTOCOL_ERROR HEADERS needs a stream with an odd number',
  },
  {
    name: 'HEADERS for a lower number than one before, which was never used',
    sent: (scene) => [begin(scene, 5), begin(scene, 3)],
    told: '5 PROTOCOL_ERROR a stream has a lower number than one before',
  },
  {
    name: 'HEADERS whose padding is longer than the frame',
    sent: () => [frame('HEADERS', flag.endHeaders | flag.padded, 1, Buffer.from([9, 0x83]))],
    told: '0 PROTOCOL_ERROR the padding is longer than the frame',
  },
  {
    name: 'HEADERS too short for its priority',
    sent: () => [frame('HEADERS', flag.endHeaders | flag.priority, 1, Buffer.alloc(4))],
    told: '0 FRAME_SIZE_ERROR HEADERS is too short for its priority',
  },
  {
    name: 'HEADERS of a stream that depends on itself',
    sent: () => [frame('HEADERS', flag.endHeaders | flag.priority, 1, Buffer.from('8000000110', 'hex'))],
    told: '0 PROTOCOL_ERROR a stream depends on itself',
  },
  {
    name: 'a block of fields that is not HPACK',
    sent: () => [frame('HEADERS', flag.endHeaders, 1, Buffer.from([0xff]))],
    told: '0 COMPRESSION_ERROR reading a header block: an index is cut off or too long',
  },
  {
    name: 'a broken block among the trailers',
    sent: (scene) => [begin(scene), frame('HEADERS', flag.endHeaders | flag.endStream, 1, Buffer.from([0x80]))],
    told: '1 COMPRESSION_ERROR reading a header block: an index is of no field',
  },
  {
    name: 'CONTINUATION without HEADERS',
    sent: (scene) => [frame('CONTINUATION', flag.endHeaders, 1, block(scene))],
    told: '0 PROTOCOL_ERROR CONTINUATION without HEADERS',
  },
  {
    name: 'CONTINUATION after the end of a block',
    sent: (scene) => [begin(scene), frame('CONTINUATION', flag.endHeaders, 1)],
    told: '1 PROTOCOL_ERROR CONTINUATION without HEADERS',
  },
  {
    name: 'a CONTINUATION of another stream',
    sent: (scene) => [frame('HEADERS', 0, 1, block(scene)), frame('CONTINUATION', flag.endHeaders, 3)],
    told: '0 PROTOCOL_ERROR a block of fields is interrupted by another frame',
  },
  {
    name: 'a PING inside a block of fields',
    sent: (scene) => [frame('HEADERS', 0, 1, block(scene)), ping()],
    told: '0 PROTOCOL_ERROR a block of fields is interrupted by another frame',
  },
  {
    name: 'a frame of an unknown type inside a block of fields',
    sent: (scene) => [frame('HEADERS', 0, 1, block(scene)), frame(77, 0, 1)],
    told: '0 PROTOCOL_ERROR a block of fields is interrupted by another frame',
  },
  {
    name: 'CONTINUATION on no stream',
    sent: () => [frame('CONTINUATION', flag.endHeaders, 0)],
    told: '0 PROTOCOL_ERROR CONTINUATION needs a stream',
  },
  {
    name: 'PRIORITY on no stream',
    sent: () => [frame('PRIORITY', 0, 0, Buffer.alloc(5))],
    told: '0 PROTOCOL_ERROR PRIORITY needs a stream',
  },
];

const ofControl: Mistake[] = [
  {
    name: 'RST_STREAM of 3 bytes',
    sent: (scene) => [begin(scene), frame('RST_STREAM', 0, 1, Buffer.alloc(3))],
    told: '1 FRAME_SIZE_ERROR RST_STREAM has not 4 bytes',
  },
  { name: 'RST_STREAM on no stream', sent: () => [reset(0)], told: '0 PROTOCOL_ERROR RST_STREAM needs a stream' },
  {
    name: 'RST_STREAM on a stream that has not begun',
    sent: () => [reset(1)],
    told: '0 PROTOCOL_ERROR the stream has not begun',
  },
  {
    name: 'RST_STREAM on a stream of the server',
    sent: (scene) => [begin(scene, 5), reset(2)],
    told: '5 PROTOCOL_ERROR the stream has not begun',
  },
  {
    name: 'SETTINGS on a stream',
    sent: () => [frame('SETTINGS', 0, 1)],
    told: '0 PROTOCOL_ERROR SETTINGS has no stream',
  },
  {
    name: 'SETTINGS of 5 bytes',
    sent: () => [frame('SETTINGS', 0, 0, Buffer.alloc(5))],
    told: '0 FRAME_SIZE_ERROR SETTINGS has a length that is no multiple of 6',
  },
  {
    name: 'an acknowledgement of SETTINGS with a payload',
    sent: () => [frame('SETTINGS', flag.ack, 0, Buffer.alloc(6))],
    told: '0 FRAME_SIZE_ERROR an acknowledgement has a payload',
  },
  {
    name: 'SETTINGS_ENABLE_PUSH of 2',
    sent: () => [settings([2, 2])],
    told: '0 PROTOCOL_ERROR SETTINGS_ENABLE_PUSH is neither 0 nor 1',
  },
  {
    name: 'SETTINGS_INITIAL_WINDOW_SIZE of 2^31',
    sent: () => [settings([4, 2 ** 31])],
    told: '0 FLOW_CONTROL_ERROR SETTINGS_INITIAL_WINDOW_SIZE is over 2^31 - 1',
  },
  ...[16_383, 2 ** 24].map(
    (size): Mistake => ({
      name: `SETTINGS_MAX_FRAME_SIZE of ${size}`,
      sent: () => [settings([5, size])],
      told: '0 PROTOCOL_ERROR SETTINGS_MAX_FRAME_SIZE is outside 2^14 to 2^24 - 1',
    }),
  ),
  {
    name: 'SETTINGS_INITIAL_WINDOW_SIZE that takes a stream over 2^31 - 1',
    sent: (scene) => [begin(scene), windowUpdate(1, 1000), settings([4, 2 ** 31 - 1])],
    told: '1 FLOW_CONTROL_ERROR the window of a stream is over 2^31 - 1',
  },
  {
    name: 'PING of 7 bytes',
    sent: () => [frame('PING', 0, 0, Buffer.alloc(7))],
    told: '0 FRAME_SIZE_ERROR PING has not 8 bytes',
  },
  {
    name: 'PING on a stream',
    sent: () => [frame('PING', 0, 1, Buffer.alloc(8))],
    told: '0 PROTOCOL_ERROR PING has no stream',
  },
  {
    name: 'GOAWAY on a stream',
    sent: () => [frame('GOAWAY', 0, 1, Buffer.alloc(8))],
    told: '0 PROTOCOL_ERROR GOAWAY has no stream',
  },
  {
    name: 'GOAWAY of 7 bytes',
    sent: () => [frame('GOAWAY', 0, 0, Buffer.alloc(7))],
    told: '0 FRAME_SIZE_ERROR GOAWAY has less than 8 bytes',
  },
  {
    name: 'WINDOW_UPDATE of 5 bytes',
    sent: () => [frame('WINDOW_UPDATE', 0, 0, Buffer.alloc(5))],
    told: '0 FRAME_SIZE_ERROR WINDOW_UPDATE has not 4 bytes',
  },
  {
    name: 'WINDOW_UPDATE of 0 for the connection, whatever its reserved bit',
    sent: () => [windowUpdate(0, 2 ** 31)],
    told: '0 PROTOCOL_ERROR a window grows by nothing',
  },
  {
    name: 'WINDOW_UPDATE that takes the connection over 2^31 - 1',
    sent: () => [windowUpdate(0, 2 ** 31 - 65_535)],
    told: '0 FLOW_CONTROL_ERROR the window of the connection is over 2^31 - 1',
  },
  {
    name: 'WINDOW_UPDATE on a stream that has not begun',
    sent: () => [windowUpdate(1, 1)],
    told: '0 PROTOCOL_ERROR the stream has not begun',
  },
];

describe('the connection ends after', () => {
  test.each([...ofFrames, ...ofControl])('$name', async ({ sent, told }) => {
    const scene = await openScene();
    const said = await scene.answer(...sent(scene));
    expect(said.at(-1)).toBe(`GOAWAY ${told}`);
    expect(said.filter((line) => !line.startsWith('SETTINGS ack'))).toHaveLength(1);
    expect(scene.socket.isEnded).toBe(true);
    expect(scene.failures).toEqual([]);
    // What comes after the last word is heard by nobody.
    const streams = scene.streams.size;
    expect(await scene.answer(begin(scene, 101))).toEqual([]);
    expect(scene.streams.size).toBe(streams);
  });

  test('a mistake, and its streams are told that they are given up', async () => {
    const scene = await openScene();
    scene.send(begin(scene, 1), begin(scene, 3, 'end'), frame('PING', 0, 0));
    await scene.said();
    expect(scene.told(1).events).toEqual(['reset 6']);
    expect(scene.told(3).events).toEqual(['end', 'reset 6']);
    expect(scene.connection.openStreams).toBe(0);
  });

  test.each([
    ['HTTP/1.1', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'the client does not begin with the preface of HTTP/2'],
    [
      'a preface with one wrong byte',
      Buffer.from(greeting.toString('latin1').replace('SM', 'Sm')),
      'the client does not begin with the preface of HTTP/2',
    ],
    ['a PING first', Buffer.concat([greeting, ping()]), 'the first frame is not SETTINGS'],
    ['an acknowledgement first', Buffer.concat([greeting, settingsAck]), 'the first frame is not SETTINGS'],
    ['an unknown frame first', Buffer.concat([greeting, frame(77, 0, 0)]), 'the first frame is not SETTINGS'],
  ])('%s', async (_name, sent, words) => {
    const scene = await openScene({ silent: true });
    const said = await scene.answer(sent);
    expect(said).toEqual(['SETTINGS 4', 'WINDOW_UPDATE 0 983041', `GOAWAY 0 PROTOCOL_ERROR ${words}`]);
    expect(scene.socket.isEnded).toBe(true);
  });

  test('a block of fields of more than 16 frames, or more than 32,768 bytes', async () => {
    const calm = 'GOAWAY 0 ENHANCE_YOUR_CALM a block of fields is too long';
    const many = await openScene();
    const empty = frame('CONTINUATION', 0, 1);
    const head = frame('HEADERS', 0, 1);
    expect(await many.answer(head, ...Array.from({ length: 15 }, () => empty))).toEqual([]);
    expect(await many.answer(empty)).toEqual([calm]);
    const long = await openScene();
    const full = frame('CONTINUATION', 0, 1, Buffer.alloc(16_384));
    expect(await long.answer(head, full, full)).toEqual([]);
    expect(await long.answer(frame('CONTINUATION', 0, 1, Buffer.alloc(1)))).toEqual([calm]);
  });

  test('a failure of our own: it is told as one, and in no more words', async () => {
    const scene = await openScene({
      onBegin: () => {
        throw new Error('the secret is 42');
      },
    });
    expect(await scene.answer(begin(scene))).toEqual(['GOAWAY 1 INTERNAL_ERROR the server failed']);
    expect(scene.failures).toEqual([new Error('the secret is 42')]);
  });
});
