/** Everything that a peer can put off ends: each time limit, one millisecond before it and at it. */
import { describe, expect, test } from 'vitest';
import {
  frame,
  greeting,
  ping,
  requestFields,
  reset,
  settings,
  settingsAck,
  windowUpdate,
} from '../../support/frames.ts';
import { answerWith, letters, okHead, openScene, Scene, type SceneOptions } from '../../support/h2-scene.ts';
import { settled } from '../../support/memory-socket.ts';

const head = (scene: Scene, id: number, end: 'end' | '' = 'end') => scene.blocks.headers(id, requestFields(), end);
const long = 2 ** 40;
/** Limits that never come, but for those that a test is about. */
const patient = {
  ...{ handshakeMs: long, headerBlockMs: long, settingsAckMs: long, stallMs: long },
  ...{ idleMs: long, silenceMs: long, pingMs: long, maxAgeMs: long },
};
const sceneWith = (limits: SceneOptions['limits'], more: SceneOptions = {}) =>
  openScene({ ...more, limits: { ...patient, ...limits } });

describe('a peer that', () => {
  test('does not greet is cut off', async () => {
    const scene = await sceneWith({ handshakeMs: 1000 }, { silent: true });
    scene.send(greeting.subarray(0, 10));
    scene.check(999);
    expect(scene.socket.destroyed).toBe(false);
    scene.check(1);
    expect(scene.socket.destroyed).toBe(true);
  });

  test('greets with a preface and never with SETTINGS is cut off too', async () => {
    const scene = await sceneWith({ handshakeMs: 1000 }, { silent: true });
    scene.send(greeting, settings().subarray(0, 8));
    scene.check(1000);
    expect(scene.socket.destroyed).toBe(true);
  });

  test('does not end a block of fields is told to calm down, whatever else it sends of it', async () => {
    const scene = await sceneWith({ headerBlockMs: 1000 });
    scene.send(frame('HEADERS', 0, 1));
    scene.check(999);
    scene.send(frame('CONTINUATION', 0, 1));
    expect(await scene.said()).toEqual([]);
    scene.check(1);
    expect(await scene.said()).toEqual(['GOAWAY 0 ENHANCE_YOUR_CALM a block of fields has not ended in time']);
    expect(scene.socket.isEnded).toBe(true);
  });

  test('ends its block in time is not told so for the next one', async () => {
    const scene = await sceneWith({ headerBlockMs: 1000 });
    const block = scene.blocks.block(requestFields());
    scene.send(frame('HEADERS', 0, 1, block));
    scene.check(900);
    scene.send(frame('CONTINUATION', 4, 1), frame('HEADERS', 0, 3, block));
    scene.check(900);
    expect(await scene.said()).toEqual([]);
    expect(scene.streams.size).toBe(1);
  });

  test('does not acknowledge SETTINGS is told that it took too long, streams or not', async () => {
    const scene = await sceneWith({ settingsAckMs: 1000 }, { silent: true });
    scene.send(greeting, settings(), head(scene, 1));
    await scene.said();
    scene.check(999);
    expect(await scene.said()).toEqual([]);
    scene.check(1);
    expect(await scene.said()).toEqual(['GOAWAY 1 SETTINGS_TIMEOUT SETTINGS was not acknowledged in time']);
    expect(scene.told(1).events).toEqual(['end', 'reset 4']);
  });

  test('takes nothing of what waits for it is cut off', async () => {
    const scene = await sceneWith({ stallMs: 1000 });
    scene.socket.hold();
    await scene.answer(ping());
    scene.check(5000);
    scene.check(999);
    expect(scene.socket.destroyed).toBe(false);
    scene.check(1);
    expect(scene.socket.destroyed).toBe(true);
  });

  test('takes something in between has its time anew', async () => {
    const scene = await sceneWith({ stallMs: 1000 });
    scene.socket.hold();
    await scene.answer(ping());
    scene.check(0);
    scene.send(ping());
    scene.clock.advance(900);
    scene.socket.drain();
    await settled();
    scene.check(0);
    scene.check(999);
    expect(scene.socket.destroyed).toBe(false);
    scene.check(1);
    expect(scene.socket.destroyed).toBe(true);
  });

  test('does not read our last word is cut off a second later', async () => {
    const scene = await sceneWith({});
    scene.socket.hold();
    await scene.answer(frame('PING', 0, 0));
    scene.check(999);
    expect(scene.socket.destroyed).toBe(false);
    scene.check(1);
    expect(scene.socket.destroyed).toBe(true);
  });
});

describe('an answer that waits for the window of its stream', () => {
  test('is given up where the peer takes nothing of it in its time, and the others stay', async () => {
    const scene = await sceneWith({ stallMs: 1000, silenceMs: 1e6 }, { peerSettings: [[4, 0]] });
    await scene.answer(head(scene, 1), head(scene, 3));
    for (const id of [1, 3]) answerWith(10)(scene.told(id));
    await scene.said();
    scene.check(0);
    scene.check(999);
    expect(await scene.answer(windowUpdate(3, 5))).toEqual(['DATA 3 5']);
    scene.check(1);
    expect(await scene.said()).toEqual(['RST_STREAM 1 CANCEL']);
    expect(scene.told(1).events.at(-1)).toBe('reset 8');
    expect(await scene.answer(windowUpdate(3, 5))).toEqual(['DATA 3 5 END_STREAM']);
  });
});

describe('a connection without a stream', () => {
  test('is asked to go after its time, and stays until it has been heard', async () => {
    const scene = await sceneWith({ idleMs: 1000 });
    scene.check(999);
    expect(await scene.said()).toEqual([]);
    scene.check(1);
    expect(await scene.said()).toEqual(['GOAWAY 2147483647 NO_ERROR', 'PING "leaving\\u0000"']);
    // A request that was on its way.
    scene.send(head(scene, 1), ping('leaving\0', true));
    await scene.said();
    answerWith(1)(scene.told(1));
    expect(await scene.said()).toEqual(['HEADERS 1 :status=200', 'DATA 1 1 END_STREAM']);
    expect(scene.socket.isEnded).toBe(true);
  });

  test('begins to count when its last stream has ended', async () => {
    const scene = await sceneWith({ idleMs: 1000 }, { onEnd: answerWith(1) });
    scene.clock.advance(900);
    await scene.answer(head(scene, 1));
    scene.check(999);
    expect(await scene.said()).toEqual([]);
    scene.check(1);
    expect((await scene.said())[0]).toBe('GOAWAY 2147483647 NO_ERROR');
  });

  test('begins to count when the answer ended, however long ago the request came', async () => {
    const scene = await sceneWith({ idleMs: 1000 });
    await scene.answer(head(scene, 1));
    scene.check(5000);
    answerWith(1)(scene.told(1));
    await scene.said();
    scene.check(999);
    expect(await scene.said()).toEqual([]);
    scene.check(1);
    expect((await scene.said())[0]).toBe('GOAWAY 2147483647 NO_ERROR');
  });

  test('is not idle while work for a stream goes on that its peer has reset', async () => {
    const scene = await sceneWith({ idleMs: 1000 });
    await scene.answer(head(scene, 1), reset(1));
    scene.check(5000);
    expect(await scene.said()).toEqual([]);
  });

  test('is not idle while a stream is open', async () => {
    const scene = await sceneWith({ idleMs: 1000 });
    await scene.answer(head(scene, 1, ''));
    scene.check(100_000);
    expect(await scene.said()).toEqual([]);
  });
});

describe('a peer with streams that says nothing', () => {
  test('is asked for a sign, and cut off where it gives none', async () => {
    const scene = await sceneWith({ silenceMs: 1000, pingMs: 500 });
    await scene.answer(head(scene, 1));
    scene.check(999);
    expect(await scene.said()).toEqual([]);
    scene.check(1);
    expect(await scene.said()).toEqual(['PING "alive?\\u0000\\u0000"']);
    scene.check(499);
    expect(await scene.said()).toEqual([]);
    expect(scene.socket.destroyed).toBe(false);
    scene.check(1);
    await settled();
    expect(scene.socket.destroyed).toBe(true);
    expect(scene.told(1).events).toEqual(['end', 'reset 8']);
  });

  test.each(['its answer to the PING', 'any byte'])('stays for %s, and is asked anew later', async (sign) => {
    const scene = await sceneWith({ silenceMs: 1000, pingMs: 500 });
    await scene.answer(head(scene, 1));
    scene.check(1000);
    await scene.said();
    scene.clock.advance(499);
    scene.send(sign === 'any byte' ? Buffer.from([0]) : ping('alive?\0\0', true));
    scene.check(999);
    expect(await scene.said()).toEqual([]);
    scene.check(1);
    expect(await scene.said()).toEqual(['PING "alive?\\u0000\\u0000"']);
  });

  test('and has none is left alone', async () => {
    const scene = await sceneWith({ silenceMs: 1000, pingMs: 500 });
    scene.check(100_000);
    expect(await scene.said()).toEqual([]);
    expect(scene.socket.destroyed).toBe(false);
  });
});

describe('an old connection', () => {
  test.each([
    [0, 900],
    [0.5, 1000],
    [1, 1100],
  ])('is asked to come anew, for chance %d after %i of 1000 ms', async (chance, age) => {
    const scene = await sceneWith({ maxAgeMs: 1000 }, { random: () => chance });
    await scene.answer(head(scene, 1));
    scene.check(age - 1);
    expect(await scene.said()).toEqual([]);
    scene.check(1);
    expect(await scene.said()).toEqual(['GOAWAY 2147483647 NO_ERROR', 'PING "leaving\\u0000"']);
    expect(scene.told(1).stream.state).toBe('half-closed (remote)');
  });

  test('is asked once, also where it is idle as well', async () => {
    const scene = await sceneWith({ maxAgeMs: 1000, idleMs: 1000 });
    scene.check(2000);
    scene.check(2000);
    expect(await scene.said()).toEqual(['GOAWAY 2147483647 NO_ERROR', 'PING "leaving\\u0000"']);
  });
});

test('a peer that has done all that is asked of it is never ended', async () => {
  const scene = new Scene({ limits: { ...patient, handshakeMs: 10, settingsAckMs: 10, headerBlockMs: 10 } });
  scene.send(greeting, settings(), settingsAck, head(scene, 1));
  await scene.said();
  scene.told(1).stream.headers(okHead);
  for (let day = 0; day < 100; day++) scene.check(86_400_000);
  scene.told(1).stream.data(letters(1), true);
  expect(await scene.said()).toEqual(['HEADERS 1 :status=200', 'DATA 1 1 END_STREAM']);
});
