/** A peer that does not read: streams wait, then nothing more is read from it, and both come back when it reads. */
import { expect, test } from 'vitest';
import { ping, requestFields, reset, settings, windowUpdate } from '../../support/frames.ts';
import { answerWith, letters, okHead, openScene, type Scene } from '../../support/h2-scene.ts';
import { settled } from '../../support/memory-socket.ts';

const head = (scene: Scene, id: number) => scene.blocks.headers(id, requestFields(), 'end');
const wide = { peerSettings: [[4, 2 ** 30]] as const };

/** A scene whose peer has stopped to read, with windows that never end. */
async function stopped(maxOutput: number): Promise<Scene> {
  const scene = await openScene({ ...wide, limits: { maxOutput } });
  await scene.answer(windowUpdate(0, 2 ** 30));
  scene.socket.hold();
  return scene;
}

const sizes = (lines: readonly string[]) =>
  lines.filter((line) => line.startsWith('DATA')).reduce((sum, line) => sum + Number(line.split(' ')[2]), 0);

test('above the bound of output a stream waits, and goes on as the peer reads, to its last byte', async () => {
  const scene = await stopped(50_000);
  await scene.answer(head(scene, 1));
  const { stream, events } = scene.told(1);
  stream.headers(okHead);
  expect(stream.data(letters(500_000))).toBe(false);
  stream.trailers([{ name: 'x', value: 'y' }]);
  const lines = await scene.said();
  for (let i = 0; i < 100 && scene.connection.openStreams > 0; i++) {
    scene.socket.drain();
    const more = await scene.said();
    // One frame more than the bound at most.
    expect(sizes(more)).toBeLessThanOrEqual(50_000 + 16_384);
    lines.push(...more);
  }
  scene.socket.drain('all');
  lines.push(...(await scene.said()));
  expect(sizes(lines)).toBe(500_000);
  expect(lines.at(-1)).toBe('HEADERS 1 x=y END_STREAM');
  expect(events).toEqual(['end', 'drained']);
});

test('above twice the bound nothing is read, and below it again', async () => {
  const scene = await stopped(1_000);
  await scene.answer(head(scene, 1), head(scene, 3), head(scene, 5));
  for (const id of [1, 3]) answerWith(900)(scene.told(id));
  expect(scene.socket.isPaused()).toBe(false);
  // The next answer makes it more than twice; what is read after it is the last.
  scene.told(5).stream.headers([...okHead, { name: 'large', value: 'x'.repeat(2_000) }]);
  await scene.answer(head(scene, 7));
  expect(scene.socket.isPaused()).toBe(true);
  scene.send(head(scene, 9));
  await settled();
  expect(scene.streams.has(9)).toBe(false);
  scene.socket.drain('all');
  await settled();
  expect(scene.socket.isPaused()).toBe(false);
  expect(scene.streams.has(9)).toBe(true);
});

test('a peer that asks and asks, and reads none of the answers, is not read any more', async () => {
  const scene = await stopped(100);
  // Each of them adds 17 bytes to what waits.
  for (let i = 0; i < 60; i++) scene.send(ping());
  await settled();
  expect(scene.socket.isPaused()).toBe(true);
  scene.socket.drain('all');
  // It may be stopped, and read again, some times more.
  const answers: string[] = [];
  for (let i = 0; i < 20; i++) answers.push(...(await scene.said()));
  expect(answers).toHaveLength(60);
  expect(scene.socket.isPaused()).toBe(false);
});

test('a stream that waits does not keep others from what fits', async () => {
  const scene = await openScene({ peerSettings: [[4, 10]] });
  await scene.answer(head(scene, 1), head(scene, 3));
  answerWith(50)(scene.told(1));
  answerWith(5)(scene.told(3));
  expect(await scene.said()).toEqual([
    ...['HEADERS 1 :status=200', 'HEADERS 3 :status=200', 'DATA 3 5 END_STREAM', 'DATA 1 10'],
  ]);
});

test('what waits at the end of a connection is dropped with it, also while nothing is read', async () => {
  const scene = await stopped(100);
  await scene.answer(head(scene, 1), head(scene, 3));
  for (const id of [1, 3]) answerWith(1_000_000)(scene.told(id));
  await scene.answer(ping());
  scene.connection.destroy();
  await settled();
  expect(scene.told(3).events.at(-1)).toBe('reset 8');
  expect(scene.closed).toBe(1);
});

test('resets and settings that come while output waits are heard', async () => {
  const scene = await stopped(50_000);
  await scene.answer(head(scene, 1), head(scene, 3));
  answerWith(200_000)(scene.told(1));
  await settled();
  answerWith(100)(scene.told(3));
  scene.send(reset(1), settings([4, 5]));
  await settled();
  scene.socket.drain('all');
  const lines = await scene.said();
  expect(lines.filter((line) => line.startsWith('DATA 3'))).toEqual(['DATA 3 5']);
  expect(await scene.answer(windowUpdate(3, 95))).toEqual(['DATA 3 95 END_STREAM']);
  expect(scene.told(1).events.at(-1)).toBe('reset 8');
});
