/** Streams from their beginning to long after their end, and how many there may be. */
import { describe, expect, test } from 'vitest';
import { StreamHistory } from '../../../src/h2/stream-history.ts';
import { data, flag, frame, ping, requestFields, reset, windowUpdate } from '../../support/frames.ts';
import { answerWith, letters, okHead, openScene, type Scene } from '../../support/h2-scene.ts';

const head = (scene: Scene, id: number, end: 'end' | '' = '') => scene.blocks.headers(id, requestFields(), end);

describe('a request', () => {
  test('may come in HEADERS and CONTINUATION, with padding and a priority, and end with its head', async () => {
    const scene = await openScene();
    const block = scene.blocks.block(requestFields());
    const payload = Buffer.concat([Buffer.from([3]), Buffer.alloc(5), block.subarray(0, 4), Buffer.alloc(3)]);
    const flags = flag.padded | flag.priority | flag.endStream;
    scene.send(
      frame('HEADERS', flags, 1, payload),
      frame('CONTINUATION', 0, 1),
      // Flags that mean nothing here.
      frame('CONTINUATION', flag.endHeaders | flag.padded | flag.endStream, 1, block.subarray(4)),
    );
    await scene.said();
    expect(scene.told(1)).toMatchObject({ isEnd: true, events: ['end'], head: { path: '/', method: 'POST' } });
  });

  test('ends with trailers, which its owner gets', async () => {
    const scene = await openScene();
    scene.send(head(scene, 1), data(1, 'ab'), scene.blocks.headers(1, [['x', 'y']], 'end'));
    expect(await scene.said()).toEqual([]);
    expect(scene.told(1).events).toEqual(['data 2', 'end x=y']);
    expect(scene.told(1).stream.state).toBe('half-closed (remote)');
  });

  test('whose fields are too large has its answer without a look at it, whole or not, and the table stays right', async () => {
    const scene = await openScene();
    const large = requestFields([
      ['a', 'b'.repeat(8_000)],
      ['c', 'd'.repeat(8_400)],
    ]);
    expect(await scene.answer(scene.blocks.headers(1, large))).toEqual([
      'HEADERS 1 :status=431 END_STREAM',
      'RST_STREAM 1 NO_ERROR',
    ]);
    expect(scene.streams.size).toBe(0);
    scene.send(data(1, 'late'), head(scene, 3, 'end'));
    expect(await scene.said()).toEqual([]);
    expect(scene.told(3).head.authority).toBe('localhost');
  });
});

describe('an answer', () => {
  test('to a whole request closes the stream without a reset', async () => {
    const scene = await openScene({ onEnd: answerWith(2) });
    expect(await scene.answer(head(scene, 1, 'end'))).toEqual(['HEADERS 1 :status=200', 'DATA 1 2 END_STREAM']);
    expect(scene.told(1).stream.state).toBe('closed');
  });

  test('before the end of the request is followed by RST_STREAM with NO_ERROR, and what still comes is dropped', async () => {
    const scene = await openScene();
    await scene.answer(head(scene, 1), data(1, 'ab'));
    answerWith(2)(scene.told(1));
    expect(await scene.said()).toEqual(['HEADERS 1 :status=200', 'DATA 1 2 END_STREAM', 'RST_STREAM 1 NO_ERROR']);
    expect(await scene.answer(data(1, 'cd'), scene.blocks.headers(1, [['x', 'y']], 'end'))).toEqual([]);
    expect(scene.told(1).events).toEqual(['data 2']);
  });

  test('with its head alone, to a request that has ended with its own, is no reason for a reset', async () => {
    const scene = await openScene({ onBegin: ({ stream }) => stream.headers(okHead, true) });
    expect(await scene.answer(head(scene, 1, 'end'))).toEqual(['HEADERS 1 :status=200 END_STREAM']);
  });

  test('is not heard any more by whoever has reset the stream: nothing is sent, nobody hears of it twice', async () => {
    const scene = await openScene();
    expect(await scene.answer(head(scene, 1, 'end'), reset(1))).toEqual([]);
    const { stream, events } = scene.told(1);
    stream.headers(okHead);
    expect(stream.data(letters(9))).toBe(true);
    stream.trailers([]);
    stream.reset(8);
    stream.grant(5);
    expect(await scene.answer(reset(1), windowUpdate(1, 5))).toEqual([]);
    expect(events).toEqual(['end', 'reset 8']);
  });

  test('ends where it ended: what is said after it is not sent', async () => {
    const scene = await openScene({ peerSettings: [[4, 0]] });
    await scene.answer(head(scene, 1, 'end'));
    const { stream } = scene.told(1);
    stream.headers(okHead);
    stream.data(letters(2), true);
    stream.data(letters(5));
    stream.trailers([{ name: 'x', value: 'y' }]);
    expect(stream.isSending).toBe(false);
    expect(await scene.answer(windowUpdate(1, 50))).toEqual(['HEADERS 1 :status=200', 'DATA 1 2 END_STREAM']);
  });

  test('that waits is wiped where the peer resets the stream', async () => {
    const scene = await openScene({ peerSettings: [[4, 0]] });
    await scene.answer(head(scene, 1, 'end'));
    let place: Buffer | undefined;
    const secret = {
      size: 6,
      writeTo(target: Buffer, at: number) {
        place = target.subarray(at, at + 6);
        place.write('secret');
      },
    };
    scene.told(1).stream.data(secret);
    expect(place?.toString()).toBe('secret');
    await scene.answer(reset(1));
    expect(place).toEqual(Buffer.alloc(6));
  });
});

test.each([
  ['CANCEL', 8],
  ['NO_ERROR', 0],
  ['ENHANCE_YOUR_CALM', 11],
] as const)('a stream that the peer resets with %s is told the code', async (code, number) => {
  const scene = await openScene();
  await scene.answer(head(scene, 1), reset(1, code));
  expect(scene.told(1).events).toEqual([`reset ${number}`]);
});

test('an error code that nobody knows means INTERNAL_ERROR', async () => {
  const scene = await openScene();
  await scene.answer(head(scene, 1), frame('RST_STREAM', 0, 1, Buffer.from('000000ff', 'hex')));
  expect(scene.told(1).events).toEqual(['reset 2']);
});

describe('a late frame', () => {
  const dataAndTrailers = (scene: Scene, id: number) => [
    ['DATA', () => data(id, 'late')] as const,
    ['HEADERS', () => scene.blocks.headers(id, [['x', 'y']], 'end')] as const,
  ];

  test.each(['DATA', 'HEADERS'])('%s for a stream that has ended both ways ends the connection', async (type) => {
    const scene = await openScene({ onEnd: answerWith(1) });
    await scene.answer(head(scene, 1, 'end'));
    const late = dataAndTrailers(scene, 1).find(([name]) => name === type)?.[1]() ?? Buffer.alloc(0);
    expect(await scene.answer(late)).toEqual(['GOAWAY 1 STREAM_CLOSED the stream has ended']);
  });

  test.each(['DATA', 'HEADERS'])('%s for a stream that the server has reset is ignored', async (type) => {
    const scene = await openScene();
    await scene.answer(head(scene, 1));
    scene.told(1).stream.reset(8);
    const late = dataAndTrailers(scene, 1).find(([name]) => name === type)?.[1]() ?? Buffer.alloc(0);
    expect(await scene.answer(late)).toEqual(['RST_STREAM 1 CANCEL']);
    expect(scene.told(1).events).toEqual([]);
  });

  test.each(['DATA', 'HEADERS'])('%s for a stream that the peer has reset is told that it is closed', async (type) => {
    const scene = await openScene();
    await scene.answer(head(scene, 1), reset(1));
    const late = dataAndTrailers(scene, 1).find(([name]) => name === type)?.[1]() ?? Buffer.alloc(0);
    expect(await scene.answer(late)).toEqual(['RST_STREAM 1 STREAM_CLOSED']);
    // It is one that the server has reset now.
    expect(await scene.answer(late.subarray(0, 0), data(1, 'later'))).toEqual([]);
  });

  test('DATA for a number that was skipped ends the connection', async () => {
    const scene = await openScene();
    expect(await scene.answer(head(scene, 5), data(3, 'x'))).toEqual([
      'GOAWAY 5 PROTOCOL_ERROR a stream has a lower number than one before',
    ]);
  });

  test('WINDOW_UPDATE, PRIORITY and RST_STREAM for streams that ended in any way are ignored', async () => {
    const scene = await openScene({ onEnd: answerWith(1) });
    await scene.answer(head(scene, 1, 'end'), head(scene, 5), reset(5), head(scene, 7));
    scene.told(7).stream.reset(8);
    await scene.said();
    const late = [1, 3, 5, 7].flatMap((id) => [
      windowUpdate(id, 1),
      reset(id),
      frame('PRIORITY', 0, id, Buffer.alloc(5)),
    ]);
    expect(await scene.answer(...late, ping())).toEqual(['PING "12345678" ack']);
  });

  test('for a stream that the server has reset is ignored however many have begun since', async () => {
    const scene = await openScene({ onEnd: answerWith(0) });
    scene.send(head(scene, 1));
    for (let id = 3; id < 3 + 2 * 1_100; id += 2) scene.send(head(scene, id, 'end'));
    await scene.said();
    // An upload that is answered before its end: its sender could not know yet.
    answerWith(1)(scene.told(1));
    await scene.said();
    expect(await scene.answer(data(1, 'still under way'))).toEqual([]);
    expect(scene.socket.isEnded).toBe(false);
  });
});

describe('a history of streams', () => {
  test('knows how each of the last 1,024 has ended', () => {
    const history = new StreamHistory();
    for (let id = 1; id <= 4_001; id += 8) {
      history.begin(id);
      history.end(id, 'reset by peer');
      history.begin(id + 4);
      history.end(id + 4, 'reset by us');
    }
    expect(history.last).toBe(4_005);
    for (let id = 4_005; id > 4_005 - 2_048; id -= 2) {
      const expected = id % 8 === 1 ? 'reset by peer' : id % 8 === 5 ? 'reset by us' : 'skipped';
      expect(history.of(id)).toBe(expected);
    }
  });

  test('forgets what went before a jump of any length', () => {
    const history = new StreamHistory();
    for (let id = 1; id < 2_100; id += 2) {
      history.begin(id);
      history.end(id, 'reset by us');
    }
    history.begin(2 ** 31 - 1);
    expect(history.of(2 ** 31 - 3)).toBe('skipped');
    expect(history.of(2 ** 31 - 2_047)).toBe('skipped');
    expect(history.last).toBe(2 ** 31 - 1);
  });
});

describe('the number of streams', () => {
  test('is bounded: one more is refused, and taken once another is done', async () => {
    const scene = await openScene({ limits: { maxStreams: 2 } });
    expect(await scene.answer(head(scene, 1), head(scene, 3), head(scene, 5))).toEqual(['RST_STREAM 5 REFUSED_STREAM']);
    expect(scene.streams.has(5)).toBe(false);
    // Its sender goes on until it hears of it.
    expect(await scene.answer(data(5, 'x', 'end'))).toEqual([]);
    answerWith(1)(scene.told(1));
    await scene.said();
    expect(await scene.answer(head(scene, 7))).toEqual([]);
    expect(await scene.answer(head(scene, 9))).toEqual(['RST_STREAM 9 REFUSED_STREAM']);
  });

  test('counts those that the peer has reset until their work is done', async () => {
    const scene = await openScene({ limits: { maxStreams: 2 } });
    await scene.answer(head(scene, 1, 'end'), reset(1), head(scene, 3, 'end'), reset(3));
    expect(scene.connection.openStreams).toBe(0);
    expect(await scene.answer(head(scene, 5, 'end'))).toEqual(['RST_STREAM 5 REFUSED_STREAM']);
    scene.told(1).stream.done();
    // Once more frees no second place.
    scene.told(1).stream.done();
    expect(await scene.answer(head(scene, 7, 'end'), head(scene, 9, 'end'))).toEqual(['RST_STREAM 9 REFUSED_STREAM']);
  });

  test('does not count those that were malformed or too large', async () => {
    const scene = await openScene({ limits: { maxStreams: 1 } });
    const large = requestFields([
      ['a', 'b'.repeat(8_000)],
      ['c', 'd'.repeat(8_400)],
    ]);
    scene.send(scene.blocks.headers(1, [['a', 'b']]), scene.blocks.headers(3, large));
    expect(await scene.said()).toEqual([
      ...['RST_STREAM 1 PROTOCOL_ERROR', 'HEADERS 3 :status=431 END_STREAM', 'RST_STREAM 3 NO_ERROR'],
    ]);
    expect(await scene.answer(head(scene, 5))).toEqual([]);
  });

  test('counts those whose work is done until their answers have gone', async () => {
    const scene = await openScene({ limits: { maxStreams: 1 }, peerSettings: [[4, 0]] });
    await scene.answer(head(scene, 1, 'end'));
    answerWith(5)(scene.told(1));
    await scene.said();
    expect(await scene.answer(head(scene, 3, 'end'))).toEqual(['RST_STREAM 3 REFUSED_STREAM']);
    await scene.answer(windowUpdate(1, 5));
    expect(await scene.answer(head(scene, 5, 'end'))).toEqual([]);
  });

  test('of those that were refused spoils no block of fields that comes later', async () => {
    const scene = await openScene({ limits: { maxStreams: 1 } });
    const fields = requestFields([['x-custom', 'value']]);
    for (const id of [1, 3, 5]) scene.send(scene.blocks.headers(id, fields));
    await scene.said();
    scene.told(1).stream.reset(8);
    scene.told(1).stream.done();
    await scene.answer(scene.blocks.headers(7, fields));
    expect(scene.told(7).head.fields).toEqual([{ name: 'x-custom', value: 'value' }]);
  });
});
