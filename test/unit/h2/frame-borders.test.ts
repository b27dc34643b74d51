/** Chunks end where they like: a conversation means the same, wherever it is cut. */
import { describe, expect, test } from 'vitest';
import { FrameReader } from '../../../src/h2/frame-reader.ts';
import {
  BlockWriter,
  data,
  flag,
  frame,
  goAway,
  greeting,
  number,
  padded,
  ping,
  requestFields,
  reset,
  settings,
  settingsAck,
  windowUpdate,
} from '../../support/frames.ts';
import { openScene } from '../../support/h2-scene.ts';
import { settled } from '../../support/memory-socket.ts';

/** The frames of chunks, as a reader hands them on: copies, since it may use their place again. */
function read(chunks: readonly Buffer[]): string[] {
  const frames: string[] = [];
  const reader = new FrameReader((type, flags, id, bytes, start, end) => {
    frames.push(`${type} ${flags} ${id} ${bytes.toString('hex', start, end)}`);
    return true;
  });
  for (const chunk of chunks) reader.read(chunk);
  return frames;
}

const headers = new BlockWriter().block(requestFields());

/** One of every type, with what makes it special. */
const everyFrame: readonly (readonly [name: string, bytes: Buffer])[] = [
  ['DATA', data(1, 'body')],
  ['padded DATA', frame('DATA', flag.padded | flag.endStream, 1, padded(Buffer.from('body'), 3))],
  ['DATA without a byte', data(1, '')],
  ['HEADERS', frame('HEADERS', flag.endHeaders, 1, headers)],
  ['PRIORITY', frame('PRIORITY', 0, 1, Buffer.alloc(5))],
  ['RST_STREAM', reset(1)],
  ['SETTINGS', settings([4, 70_000], [5, 16_384])],
  ['an acknowledgement', settingsAck],
  ['PING', ping()],
  ['GOAWAY', goAway(7)],
  ['WINDOW_UPDATE', windowUpdate(0, 5)],
  ['CONTINUATION', frame('CONTINUATION', flag.endHeaders, 1, headers)],
  ['an unknown type', frame(200, 0xff, 0x7fff_ffff, number(1))],
];

describe('a reader hands on the same frames for every cut of', () => {
  test.each(everyFrame)('%s between two others', (_name, bytes) => {
    const whole = Buffer.concat([greeting, ping('before..'), bytes, ping('after...')]);
    const expected = read([whole]);
    expect(expected).toHaveLength(3);
    for (let at = 0; at <= whole.length; at++) {
      expect(read([whole.subarray(0, at), whole.subarray(at)])).toEqual(expected);
      for (let next = at; next <= Math.min(at + 12, whole.length); next++) {
        const [one, two, three] = [whole.subarray(0, at), whole.subarray(at, next), whole.subarray(next)];
        expect(read([one, two, three])).toEqual(expected);
      }
    }
  });

  test('all of them, byte by byte', () => {
    const whole = Buffer.concat([greeting, ...everyFrame.map(([, bytes]) => bytes)]);
    const expected = read([whole]);
    expect(expected).toHaveLength(everyFrame.length);
    expect(read([...whole].map((byte) => Buffer.from([byte])))).toEqual(expected);
  });

  test('a frame of the largest size', () => {
    const body = Buffer.from(Array.from({ length: 16_384 }, (_, i) => i % 251));
    const whole = Buffer.concat([greeting, data(1, body), ping()]);
    const expected = read([whole]);
    for (const at of [24, 25, 32, 33, 34, 8_000, whole.length - 18, whole.length - 17, whole.length - 1]) {
      expect(read([whole.subarray(0, at), whole.subarray(at)])).toEqual(expected);
    }
  });
});

test('a reader stops where no more frames are wanted for now, and goes on from there', () => {
  const chunk = Buffer.concat([greeting, ping(), ping('87654321'), ping().subarray(0, 5)]);
  let count = 0;
  const reader = new FrameReader(() => ++count % 2 === 0);
  const first = reader.read(chunk);
  expect([first, count]).toEqual([greeting.length + 17, 1]);
  expect([reader.read(chunk, first), count]).toEqual([chunk.length, 2]);
  reader.read(ping().subarray(5));
  expect(count).toBe(3);
});

test('a frame that is too large is refused as soon as its length has come, cut or not', () => {
  const tooLarge = frame('DATA', 0, 1, Buffer.alloc(16_385));
  const reader = new FrameReader(() => true);
  expect(() => reader.read(Buffer.concat([greeting, tooLarge]))).toThrow('larger than SETTINGS_MAX_FRAME_SIZE');
  const other = new FrameReader(() => true);
  other.read(Buffer.concat([greeting, tooLarge.subarray(0, 8)]));
  expect(() => other.read(tooLarge.subarray(8, 9))).toThrow('larger than SETTINGS_MAX_FRAME_SIZE');
});

test('a wrong preface is refused at its first wrong byte', () => {
  for (let at = 0; at < greeting.length; at++) {
    const wrong = Buffer.from(greeting);
    wrong[at] = (wrong[at] ?? 0) ^ 1;
    const reader = new FrameReader(() => true);
    reader.read(wrong.subarray(0, at));
    expect(reader.hasPreface).toBe(false);
    expect(() => reader.read(wrong.subarray(at, at + 1))).toThrow('the preface of HTTP/2');
  }
});

test('what was put together is overwritten once it was handed on, and what is left of it by wipe', () => {
  const places: Buffer[] = [];
  const reader = new FrameReader((_type, _flags, _id, bytes) => places.push(bytes) > 0);
  // The rest of the place may be anything: memory that nobody has written yet.
  const [first, second] = [data(1, 'the first secret'), data(1, 'other')];
  reader.read(Buffer.concat([greeting, first.subarray(0, 12)]));
  reader.read(first.subarray(12));
  const place = places[0]?.subarray(0, first.length);
  expect(place).toEqual(Buffer.alloc(first.length));
  // The next one begins in the same place, and lacks its end.
  reader.read(second.subarray(0, 12));
  expect(place?.includes('oth')).toBe(true);
  reader.wipe();
  expect(places).toHaveLength(1);
  expect(places[0]?.every((byte) => byte === 0)).toBe(true);
});

test('a whole conversation, byte by byte, gets the answers that it gets in one piece', async () => {
  const talk = () => {
    const blocks = new BlockWriter();
    const block = blocks.block(requestFields());
    return Buffer.concat([
      ...[greeting, settings([4, 10]), settingsAck, ping()],
      frame('HEADERS', 0, 1, block.subarray(0, 3)),
      frame('CONTINUATION', 0, 1, block.subarray(3, 5)),
      frame('CONTINUATION', flag.endHeaders, 1, block.subarray(5)),
      ...[data(1, 'abc'), frame('DATA', flag.padded, 1, padded(Buffer.from('def'), 2))],
      blocks.headers(1, [['trailer', 'x']], 'end'),
      ...[blocks.headers(3, requestFields(), 'end'), reset(3), frame(99, 0, 5), windowUpdate(1, 0)],
      ...[frame('PRIORITY', 0, 7, Buffer.alloc(5)), goAway(0)],
    ]);
  };
  const whole = await openScene({ silent: true });
  const expected = await whole.answer(talk());
  expect(expected).toEqual([
    ...['SETTINGS 4', 'WINDOW_UPDATE 0 983041', 'SETTINGS ack', 'PING "12345678" ack'],
    ...['RST_STREAM 1 PROTOCOL_ERROR', 'GOAWAY 3 NO_ERROR'],
  ]);
  expect(whole.told(1).events).toEqual(['data 3', 'data 3', 'end trailer=x', 'reset 1']);
  expect(whole.told(3).events).toEqual(['end', 'reset 8']);
  for (const step of [1, 2, 7, 24, 33]) {
    const cut = await openScene({ silent: true });
    const bytes = talk();
    for (let at = 0; at < bytes.length; at += step) cut.send(bytes.subarray(at, at + step));
    await settled();
    expect(await cut.said()).toEqual(expected);
    expect(cut.told(1).events).toEqual(whole.told(1).events);
    expect(cut.told(1).body).toEqual(whole.told(1).body);
  }
});
