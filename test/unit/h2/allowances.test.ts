/** What costs work and brings nothing: a burst passes, a flood ends the connection, and time gives back. */
import { describe, expect, test } from 'vitest';
import { Allowance } from '../../../src/base/allowance.ts';
import { allowances } from '../../../src/h2/limits.ts';
import { data, frame, ping, requestFields, reset, settings, windowUpdate } from '../../support/frames.ts';
import { answerWith, letters, okHead, openScene, type Scene } from '../../support/h2-scene.ts';

const times = (count: number, bytes: Buffer) => Array.from({ length: count }, () => bytes);
const calm = (words: string) => expect.stringMatching(new RegExp(`^GOAWAY \\d+ ENHANCE_YOUR_CALM ${words}$`));

describe('an allowance', () => {
  test('gives all of it at once, and no more than that', () => {
    const allowance = new Allowance({ most: 3, perSecond: 2, now: 0 });
    expect([1, 2, 3, 4].map(() => allowance.take(1, 0))).toEqual([true, true, true, false]);
  });

  test('comes back with time, never above its most', () => {
    const allowance = new Allowance({ most: 3, perSecond: 2, now: 0 });
    allowance.take(3, 0);
    expect(allowance.take(1, 499)).toBe(false);
    const other = new Allowance({ most: 3, perSecond: 2, now: 0 });
    other.take(3, 0);
    expect(other.take(1, 500)).toBe(true);
    expect(other.take(2, 1500)).toBe(true);
  });

  test('is no larger after a rest: a burst is a burst', () => {
    const allowance = new Allowance({ most: 3, perSecond: 2, now: 0 });
    const taken = Array.from({ length: 10 }, () => allowance.take(1, 3_600_000)).filter(Boolean).length;
    expect(taken).toBe(3);
  });

  test('is whole after a refill', () => {
    const allowance = new Allowance({ most: 3, perSecond: 2, now: 0 });
    allowance.take(3, 0);
    allowance.refill();
    expect(allowance.take(3, 0)).toBe(true);
    expect(allowance.take(1, 0)).toBe(false);
  });
});

describe('PING and SETTINGS', () => {
  test('are answered a hundred times, and the next is too many, in the words of gRPC', async () => {
    const scene = await openScene();
    // The first SETTINGS was one.
    expect(await scene.answer(...times(99, ping()))).toHaveLength(99);
    expect(await scene.answer(ping())).toEqual(['GOAWAY 0 ENHANCE_YOUR_CALM too_many_pings']);
    const other = await openScene();
    await other.answer(...times(99, settings()));
    expect(await other.answer(settings())).toEqual([calm('too many SETTINGS frames')]);
  });

  test('come back one a second, and whole with every answer that is sent', async () => {
    const scene = await openScene({ onEnd: answerWith(1) });
    await scene.answer(...times(99, ping()));
    scene.clock.advance(1000);
    expect(await scene.answer(ping())).toEqual(['PING "12345678" ack']);
    await scene.answer(scene.blocks.headers(1, requestFields(), 'end'));
    expect(await scene.answer(...times(100, ping()))).toHaveLength(100);
    expect(await scene.answer(ping())).toEqual([calm('too_many_pings')]);
  });

  test('come back with every part of an answer as well', async () => {
    const scene = await openScene();
    await scene.answer(scene.blocks.headers(1, requestFields(), 'end'));
    const { stream } = scene.told(1);
    stream.headers(okHead);
    await scene.answer(...times(100, ping()));
    stream.data(letters(1));
    await scene.answer(...times(100, ping()));
    expect(scene.socket.isEnded).toBe(false);
    stream.trailers([]);
    await scene.answer(...times(100, ping()));
    expect(scene.socket.isEnded).toBe(false);
  });

  test('that answer ours cost nothing', async () => {
    const scene = await openScene();
    expect(await scene.answer(...times(1000, ping('alive?\0\0', true)))).toEqual([]);
    expect(await scene.answer(ping())).toEqual(['PING "12345678" ack']);
  });
});

describe('streams that are begun and reset', () => {
  const rapid = (scene: Scene, from: number, count: number) =>
    Array.from({ length: count }, (_, i) => from + i * 2).flatMap((id) => [
      scene.blocks.headers(id, requestFields(), 'end'),
      reset(id),
    ]);

  test('are 10,000 at once at most, and 2,000 a second', async () => {
    const scene = await openScene({ onBegin: ({ stream }) => stream.done() });
    const { most, perSecond } = allowances.resets;
    expect(await scene.answer(...rapid(scene, 1, most))).toEqual([]);
    scene.clock.advance(1000);
    const next = 1 + 2 * most;
    expect(await scene.answer(...rapid(scene, next, perSecond))).toEqual([]);
    expect(await scene.answer(...rapid(scene, next + 2 * perSecond, 1))).toEqual([calm('too many streams were reset')]);
  });
});

describe('frames that carry nothing', () => {
  const { most, perSecond } = allowances.idle;
  const kinds: readonly (readonly [string, (id: number) => Buffer, string])[] = [
    ['empty DATA', (id) => data(id, ''), 'too many empty frames'],
    ['PRIORITY', (id) => frame('PRIORITY', 0, id, Buffer.alloc(5)), 'too many PRIORITY frames'],
    ['WINDOW_UPDATE for a stream', (id) => windowUpdate(id, 1), 'too many WINDOW_UPDATE frames'],
    ['WINDOW_UPDATE for the connection', () => windowUpdate(0, 1), 'too many WINDOW_UPDATE frames'],
    ['an unknown type', (id) => frame(99, 0, id), 'too many frames of unknown types'],
    // Stream 3 is one that the server has reset.
    ['DATA that comes too late', () => data(3, 'x'), 'too many frames for streams that were reset'],
  ];

  test.each(kinds)('%s is taken 20,000 times, and 5,000 more a second later', async (_name, of, words) => {
    const scene = await openScene();
    await scene.answer(
      scene.blocks.headers(1, requestFields([['content-length', '9']])),
      scene.blocks.headers(3, requestFields()),
    );
    scene.told(3).stream.reset(8);
    await scene.said();
    expect((await scene.answer(...times(most, of(1)))).filter((line) => line.startsWith('GOAWAY'))).toEqual([]);
    scene.clock.advance(1000);
    await scene.answer(...times(perSecond, of(1)));
    expect(scene.socket.isEnded).toBe(false);
    expect(await scene.answer(of(1))).toEqual([calm(words)]);
  });

  test('are all one to the allowance, mistakes about streams that do not stand too', async () => {
    const scene = await openScene();
    scene.send(scene.blocks.headers(1, requestFields()), reset(1));
    expect(await scene.answer(...times(most - 2, frame(99, 0, 0)))).toEqual([]);
    expect(await scene.answer(data(1, 'x'))).toEqual(['RST_STREAM 1 STREAM_CLOSED']);
    expect(await scene.answer(data(1, 'x'))).toEqual([]);
    expect(await scene.answer(data(1, 'x'))).toEqual([calm('too many frames for streams that were reset')]);
  });

  test('DATA with a byte, or with the end, costs nothing', async () => {
    const scene = await openScene({ limits: { streamWindow: 2 ** 30 } });
    scene.send(scene.blocks.headers(1, requestFields()));
    const lines = await scene.answer(...times(most + 1, data(1, 'x')), data(1, '', 'end'));
    expect(lines.filter((line) => !line.startsWith('WINDOW_UPDATE'))).toEqual([]);
    expect(scene.told(1).events.at(-1)).toBe('end');
  });
});

test('streams that the peer makes the server reset are counted as those that it resets itself', async () => {
  const scene = await openScene({ onBegin: ({ stream }) => stream.done() });
  // CVE-2025-8671: work is begun, and given up by a mistake that ends the stream alone.
  for (let id = 1; id < 2 * 60_000 && !scene.socket.isEnded; id += 2_000) {
    const rounds = Array.from({ length: 1_000 }, (_, i) => id + 2 * i);
    scene.send(
      ...rounds.flatMap((each) => [scene.blocks.headers(each, requestFields(), 'end'), windowUpdate(each, 0)]),
    );
    await scene.frames();
  }
  expect(scene.socket.isEnded).toBe(true);
});
