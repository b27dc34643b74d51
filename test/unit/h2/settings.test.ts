/** SETTINGS and PING: what the peer asks for holds from its frame on, and is acknowledged. */
import { describe, expect, test } from 'vitest';
import { HeaderDecoder } from '../../../src/h2/hpack/decoder.ts';
import type { Stream } from '../../../src/h2/stream.ts';
import {
  frame,
  greeting,
  number,
  ping,
  requestFields,
  settings,
  settingsAck,
  windowUpdate,
} from '../../support/frames.ts';
import { answerWith, letters, okHead, openScene } from '../../support/h2-scene.ts';

test('the server begins with its own settings and the rest of the connection window, before it has heard a byte', async () => {
  const scene = await openScene({
    silent: true,
    limits: { headerTableBytes: 1024, maxStreams: 7, streamWindow: 70_000, maxHeaderListBytes: 9000 },
  });
  const [first, second] = await scene.frames();
  const pairs = [...Array(4).keys()].map((i) => [
    first?.payload.readUInt16BE(i * 6),
    first?.payload.readUInt32BE(i * 6 + 2),
  ]);
  expect(pairs).toEqual([
    [1, 1024],
    [3, 7],
    [4, 70_000],
    [6, 9000],
  ]);
  expect(second).toEqual({ type: 8, flags: 0, id: 0, payload: number(2 ** 20 - 65_535) });
});

test('settings are acknowledged each, whether they say something or not, unknown ones too', async () => {
  const scene = await openScene();
  expect(await scene.answer(settings(), settings([99, 1], [3, 0], [2, 0], [8, 1]))).toEqual([
    'SETTINGS ack',
    'SETTINGS ack',
  ]);
  expect(await scene.answer(settingsAck)).toEqual([]);
});

test('a PING comes back with its 8 bytes; one that is an answer does not', async () => {
  const scene = await openScene();
  expect(await scene.answer(ping('abcdefgh'), ping('leaving\0', true), ping('alive?\0\0', true))).toEqual([
    'PING "abcdefgh" ack',
  ]);
});

describe('SETTINGS_INITIAL_WINDOW_SIZE', () => {
  test('of 0 holds bodies back and lets heads and trailers pass', async () => {
    const scene = await openScene({ peerSettings: [[4, 0]] });
    scene.send(scene.blocks.headers(1, requestFields(), 'end'), scene.blocks.headers(3, requestFields(), 'end'));
    await scene.said();
    answerWith(3)(scene.told(1));
    scene.told(3).stream.headers(okHead);
    scene.told(3).stream.trailers([{ name: 'x', value: 'y' }]);
    expect(await scene.said()).toEqual(['HEADERS 1 :status=200', 'HEADERS 3 :status=200', 'HEADERS 3 x=y END_STREAM']);
    expect(await scene.answer(windowUpdate(1, 2))).toEqual(['DATA 1 2']);
    expect(scene.told(1).events).toEqual(['end']);
    expect(await scene.answer(windowUpdate(1, 2))).toEqual(['DATA 1 1 END_STREAM']);
    expect(scene.told(1).events).toEqual(['end', 'drained']);
  });

  test('that grows lets go what waits, on every stream, with the trailers after it', async () => {
    const scene = await openScene({ peerSettings: [[4, 1]] });
    for (const id of [1, 3]) {
      scene.send(scene.blocks.headers(id, requestFields(), 'end'));
      await scene.said();
      const { stream } = scene.told(id);
      stream.headers(okHead);
      expect(stream.data(letters(5))).toBe(false);
      stream.trailers([{ name: 'x', value: 'y' }]);
    }
    await scene.answer(ping());
    expect(await scene.answer(settings([4, 3]))).toEqual(['SETTINGS ack', 'DATA 1 2', 'DATA 3 2']);
    expect(await scene.answer(settings([4, 2 ** 31 - 1]))).toEqual([
      ...['SETTINGS ack', 'DATA 1 2', 'HEADERS 1 x=y END_STREAM'],
      ...['DATA 3 2', 'HEADERS 3 x=y END_STREAM'],
    ]);
  });

  test('that shrinks below what was sent makes a debt, which is paid before anything goes out', async () => {
    const scene = await openScene({ peerSettings: [[4, 10]] });
    scene.send(scene.blocks.headers(1, requestFields(), 'end'));
    await scene.said();
    const { stream } = scene.told(1);
    stream.headers(okHead);
    stream.data(letters(8));
    expect(await scene.answer(settings([4, 4]))).toEqual(['HEADERS 1 :status=200', 'DATA 1 8', 'SETTINGS ack']);
    // 4 - 8: four more would make it nothing.
    stream.data(letters(3), true);
    expect(await scene.answer(windowUpdate(1, 4))).toEqual([]);
    expect(await scene.answer(windowUpdate(1, 2))).toEqual(['DATA 1 2']);
    expect(await scene.answer(settings([4, 5]))).toEqual(['SETTINGS ack', 'DATA 1 1 END_STREAM']);
  });

  test('several times in one frame means the last of them', async () => {
    const scene = await openScene({ peerSettings: [[4, 5]] });
    scene.send(scene.blocks.headers(1, requestFields(), 'end'));
    await scene.said();
    answerWith(8)(scene.told(1));
    expect(await scene.answer(settings([4, 100], [4, 7]))).toEqual([
      ...['HEADERS 1 :status=200', 'SETTINGS ack', 'DATA 1 7'],
    ]);
  });
});

test('SETTINGS_MAX_FRAME_SIZE bounds DATA, and cuts blocks of fields into CONTINUATION', async () => {
  const large = [...okHead, { name: 'a', value: 'b'.repeat(60_000) }];
  const answer = ({ stream }: { stream: Stream }) => {
    stream.headers(large);
    stream.data(letters(20_000), true);
  };
  const scene = await openScene({ onEnd: answer, peerSettings: [[4, 100_000]] });
  const small = await scene.answer(scene.blocks.headers(1, requestFields(), 'end'));
  const sizes = small.map((line) => line.replace(/a=b+/, 'a=b'));
  expect(sizes.slice(0, 2)).toEqual(['HEADERS 1 ...', 'CONTINUATION 1 ...']);
  expect(sizes.slice(-3)).toEqual(['CONTINUATION 1 :status=200 a=b', 'DATA 1 16384', 'DATA 1 3616 END_STREAM']);
  scene.send(settings([5, 2 ** 24 - 1]), scene.blocks.headers(3, requestFields(), 'end'));
  const wide = (await scene.said()).map((line) => line.replace(/a=b+/, 'a=b'));
  expect(wide).toEqual(['SETTINGS ack', 'HEADERS 3 :status=200 a=b', 'DATA 3 20000 END_STREAM']);
});

test('SETTINGS_HEADER_TABLE_SIZE of 0 is told by the next block, and nothing enters the table any more', async () => {
  const fields = [...okHead, { name: 'x-name', value: 'value' }];
  const scene = await openScene({ onEnd: ({ stream }) => stream.headers(fields, true) });
  const decoder = new HeaderDecoder({ maxTableSize: 4096, maxListSize: 4096 });
  const strict = new HeaderDecoder({ maxTableSize: 0, maxListSize: 4096 });
  const block = async (id: number, ...before: Buffer[]) => {
    scene.send(...before, scene.blocks.headers(id, requestFields(), 'end'));
    return (await scene.frames()).find(({ type }) => type === 1)?.payload ?? Buffer.alloc(0);
  };
  // Twice met, then in the table.
  for (const id of [1, 3, 5]) expect(decoder.decode(await block(id)).fields).toEqual(fields);
  const told = await block(7, settings([1, 0]));
  expect(told[0]).toBe(0x20);
  expect(strict.decode(told).fields).toEqual(fields);
  for (const id of [9, 11, 13]) expect(strict.decode(await block(id)).fields).toEqual(fields);
});

test('a table that was 0 in between is told as such, although one frame of SETTINGS says both', async () => {
  const fields = [...okHead, { name: 'x-name', value: 'value' }];
  const scene = await openScene({ onEnd: ({ stream }) => stream.headers(fields, true) });
  scene.send(settings([1, 0], [1, 4096]), scene.blocks.headers(1, requestFields(), 'end'));
  const [, head] = await scene.frames();
  // RFC 7541 section 4.2: the smallest size since the last block comes first.
  expect(head?.payload[0]).toBe(0x20);
});

test('a stream that begins after SETTINGS has the new window, one before it the changed one', async () => {
  const scene = await openScene({ onEnd: answerWith(6) });
  const said = await scene.answer(settings([4, 6]), scene.blocks.headers(1, requestFields(), 'end'));
  expect(said).toEqual(['SETTINGS ack', 'HEADERS 1 :status=200', 'DATA 1 6 END_STREAM']);
});

test('a greeting in one chunk with a request is answered like any other', async () => {
  const scene = await openScene({ silent: true, onEnd: answerWith(1) });
  expect(
    await scene.answer(greeting, settings(), scene.blocks.headers(1, requestFields(), 'end'), frame(50, 0, 0)),
  ).toEqual([
    ...['SETTINGS 4', 'WINDOW_UPDATE 0 983041', 'SETTINGS ack'],
    ...['HEADERS 1 :status=200', 'DATA 1 1 END_STREAM'],
  ]);
});
