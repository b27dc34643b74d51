/** Windows in both directions: nobody sends more than the other takes, and nobody is forgotten. */
import { describe, expect, test } from 'vitest';
import { data, flag, frame, padded, ping, requestFields, reset, settings, windowUpdate } from '../../support/frames.ts';
import { answerWith, letters, okHead, openScene, type Scene } from '../../support/h2-scene.ts';

/** Sends a whole request on each stream, and waits until they have begun. */
async function begin(scene: Scene, ...ids: readonly number[]): Promise<void> {
  scene.send(...ids.map((id) => scene.blocks.headers(id, requestFields(), 'end')));
  await scene.said();
}

const bytesOf = (lines: readonly string[], id: number) =>
  lines.filter((line) => line.startsWith(`DATA ${id} `)).reduce((sum, line) => sum + Number(line.split(' ')[2]), 0);

describe('what the server sends', () => {
  test('is bounded by the window of the connection, over all streams, which take turns when it opens', async () => {
    const scene = await openScene({ peerSettings: [[4, 2 ** 20]] });
    await begin(scene, 1, 3, 5);
    for (const id of [1, 3, 5]) answerWith(40_000)(scene.told(id));
    // All of the window is spent. The first stream had its turn before the second had something to say.
    const first = await scene.said();
    expect([1, 3, 5].reduce((sum, id) => sum + bytesOf(first, id), 0)).toBe(65_535);
    const more = await scene.answer(windowUpdate(0, 30_000));
    expect([1, 3, 5].reduce((sum, id) => sum + bytesOf(more, id), 0)).toBe(30_000);
    const rest = await scene.answer(windowUpdate(0, 100_000));
    const all = [...first, ...more, ...rest];
    expect([1, 3, 5].map((id) => bytesOf(all, id))).toEqual([40_000, 40_000, 40_000]);
    expect(all.filter((line) => line.endsWith('END_STREAM'))).toHaveLength(3);
  });

  test('goes out a frame of each stream in turn', async () => {
    const scene = await openScene({ peerSettings: [[4, 0]] });
    await begin(scene, 1, 3);
    for (const id of [1, 3]) answerWith(40_000)(scene.told(id));
    await scene.said();
    // The window of the connection ends it.
    expect(await scene.answer(settings([4, 100_000]))).toEqual([
      ...['SETTINGS ack', 'DATA 1 16384', 'DATA 3 16384', 'DATA 1 16384', 'DATA 3 16383'],
    ]);
  });

  test.each([1, 2, 7])('passes a window that opens by %i at a time', async (step) => {
    const scene = await openScene({ peerSettings: [[4, 0]] });
    await begin(scene, 1);
    scene.told(1).stream.headers(okHead);
    expect(scene.told(1).stream.data(letters(20))).toBe(false);
    expect(scene.told(1).stream.data(letters(1), true)).toBe(false);
    await scene.said();
    const lines: string[] = [];
    for (let sent = 0; sent < 21; sent += step) lines.push(...(await scene.answer(windowUpdate(1, step))));
    expect(bytesOf(lines, 1)).toBe(21);
    expect(lines.at(-1)).toMatch(/END_STREAM$/);
    expect(scene.told(1).events).toEqual(['end', 'drained']);
    expect(scene.connection.openStreams).toBe(0);
  });

  test('waits for the connection although its stream has a window, and for its stream although the connection has', async () => {
    const scene = await openScene({ peerSettings: [[4, 70_000]] });
    await begin(scene, 1, 3);
    answerWith(65_535)(scene.told(1));
    expect(bytesOf(await scene.said(), 1)).toBe(65_535);
    answerWith(5)(scene.told(3));
    expect(await scene.said()).toEqual(['HEADERS 3 :status=200']);
    expect(await scene.answer(windowUpdate(3, 1000))).toEqual([]);
    expect(await scene.answer(windowUpdate(0, 5))).toEqual(['DATA 3 5 END_STREAM']);
  });

  test('of a stream that the peer resets is dropped, and its part of the window is free for others', async () => {
    const scene = await openScene({ peerSettings: [[4, 2 ** 20]] });
    await begin(scene, 1, 3);
    answerWith(100_000)(scene.told(1));
    await scene.said();
    answerWith(10)(scene.told(3));
    expect(await scene.answer(reset(1), windowUpdate(0, 10))).toEqual([
      'HEADERS 3 :status=200',
      'DATA 3 10 END_STREAM',
    ]);
    expect(scene.told(1).events).toEqual(['end', 'reset 8']);
  });

  test('later, when all is quiet, and is larger than a frame, goes out by itself', async () => {
    const scene = await openScene();
    await begin(scene, 1);
    const { stream } = scene.told(1);
    stream.headers(okHead);
    await scene.said();
    // Nothing is read and nothing is being written now.
    stream.data(letters(20_000));
    expect(bytesOf(await scene.said(), 1)).toBe(20_000);
    expect(scene.told(1).events).toEqual(['end', 'drained']);
  });

  test('ends with an empty frame where the end comes after the last byte, whatever the window', async () => {
    const scene = await openScene({ peerSettings: [[4, 3]] });
    await begin(scene, 1);
    const { stream } = scene.told(1);
    stream.headers(okHead);
    expect(stream.data(letters(3))).toBe(true);
    expect(stream.data(letters(0), true)).toBe(true);
    expect(await scene.said()).toEqual(['HEADERS 1 :status=200', 'DATA 1 3', 'DATA 1 0 END_STREAM']);
  });

  test('ends with the last of the bytes that had to wait', async () => {
    const scene = await openScene({ peerSettings: [[4, 0]] });
    await begin(scene, 1);
    const { stream } = scene.told(1);
    stream.headers(okHead);
    stream.data(letters(3));
    stream.data(letters(0), true);
    await scene.said();
    expect(await scene.answer(windowUpdate(1, 3))).toEqual(['DATA 1 3 END_STREAM']);
  });
});

describe('what the peer sends', () => {
  test('gets its window back once half of it was taken, and not before', async () => {
    const scene = await openScene({ limits: { streamWindow: 100 } });
    scene.send(scene.blocks.headers(1, requestFields()));
    expect(await scene.answer(data(1, Buffer.alloc(49)))).toEqual([]);
    expect(await scene.answer(data(1, Buffer.alloc(1)))).toEqual(['WINDOW_UPDATE 1 50']);
    expect(await scene.answer(data(1, Buffer.alloc(100)))).toEqual(['WINDOW_UPDATE 1 100']);
  });

  test('gets none of it while nobody takes it, and exactly the window fits', async () => {
    const scene = await openScene({ takes: false, limits: { streamWindow: 100 } });
    scene.send(scene.blocks.headers(1, requestFields()));
    expect(await scene.answer(data(1, Buffer.alloc(100)))).toEqual([]);
    scene.told(1).stream.grant(30);
    scene.told(1).stream.grant(19);
    expect(await scene.said()).toEqual([]);
    scene.told(1).stream.grant(1);
    expect(await scene.said()).toEqual(['WINDOW_UPDATE 1 50']);
    expect(await scene.answer(data(1, Buffer.alloc(50)))).toEqual([]);
    expect(await scene.answer(data(1, Buffer.alloc(1)))).toEqual(['RST_STREAM 1 FLOW_CONTROL_ERROR']);
  });

  test('gets nothing back for a request that has ended', async () => {
    const scene = await openScene({ takes: false, limits: { streamWindow: 100 } });
    scene.send(scene.blocks.headers(1, requestFields()), data(1, Buffer.alloc(100), 'end'));
    await scene.said();
    scene.told(1).stream.grant(100);
    expect(await scene.said()).toEqual([]);
  });

  test('gets the window of the connection back for what nobody wants any more, padding too', async () => {
    const scene = await openScene();
    scene.send(scene.blocks.headers(1, requestFields()));
    await scene.said();
    scene.told(1).stream.reset(8);
    const late = frame('DATA', flag.padded, 1, padded(Buffer.alloc(16_000), 200));
    const lines = await scene.answer(...Array.from({ length: 33 }, () => late));
    expect(lines).toEqual(['RST_STREAM 1 CANCEL', `WINDOW_UPDATE 0 ${33 * 16_201}`]);
  });

  test('is never over the window of the connection for a peer that counts it', async () => {
    const scene = await openScene({ takes: false, limits: { streamWindow: 2 ** 21 } });
    const full = data(1, Buffer.alloc(16_384));
    const head = scene.blocks.headers(1, requestFields());
    const said = await scene.answer(head, ...Array.from({ length: 64 }, () => full));
    expect(said).toEqual(['WINDOW_UPDATE 0 524288', 'WINDOW_UPDATE 0 524288']);
  });

  test('may be padding alone: it is given back by itself', async () => {
    const scene = await openScene({ takes: false, limits: { streamWindow: 300 } });
    scene.send(scene.blocks.headers(1, requestFields()));
    const padding = frame('DATA', flag.padded, 1, padded(Buffer.alloc(0), 255));
    for (let i = 0; i < 5; i++) expect(await scene.answer(padding)).toEqual(['WINDOW_UPDATE 1 256']);
    expect(scene.told(1).events).toEqual([]);
  });
});

test('a WINDOW_UPDATE up to 2^31 - 1 is taken, for streams and connection, and late ones are ignored', async () => {
  const scene = await openScene({ onEnd: answerWith(1) });
  expect(await scene.answer(windowUpdate(0, 2 ** 31 - 1 - 65_535))).toEqual([]);
  scene.send(scene.blocks.headers(1, requestFields()), windowUpdate(1, 2 ** 31 - 1 - 65_535), data(1, '', 'end'));
  expect(await scene.said()).toEqual(['HEADERS 1 :status=200', 'DATA 1 1 END_STREAM']);
  expect(await scene.answer(windowUpdate(1, 2 ** 31 - 1), ping())).toEqual(['PING "12345678" ack']);
});
