/** The end of a connection that nobody is to blame for: whoever leaves, what was begun is finished. */
import { describe, expect, test } from 'vitest';
import {
  data,
  frame,
  goAway,
  greeting,
  ping,
  requestFields,
  reset,
  settings,
  windowUpdate,
} from '../../support/frames.ts';
import { answerWith, letters, okHead, openScene, type Scene } from '../../support/h2-scene.ts';
import { settled } from '../../support/memory-socket.ts';

const head = (scene: Scene, id: number) => scene.blocks.headers(id, requestFields(), 'end');
const warning = ['GOAWAY 2147483647 NO_ERROR', 'PING "leaving\\u0000"'];
const answer = (id: number, size = 1) => [`HEADERS ${id} :status=200`, `DATA ${id} ${size} END_STREAM`];

describe('the server leaves', () => {
  test('with two GOAWAYs: what was under way between them is served, what comes after is refused', async () => {
    const scene = await openScene();
    await scene.answer(head(scene, 1));
    scene.connection.goAway();
    expect(await scene.said()).toEqual(warning);
    expect(await scene.answer(head(scene, 3))).toEqual([]);
    expect(await scene.answer(ping('leaving\0', true))).toEqual(['GOAWAY 3 NO_ERROR']);
    expect(await scene.answer(head(scene, 5))).toEqual(['RST_STREAM 5 REFUSED_STREAM']);
    answerWith(1)(scene.told(1));
    expect(await scene.said()).toEqual(answer(1));
    expect(scene.socket.isEnded).toBe(false);
    answerWith(1)(scene.told(3));
    expect(await scene.said()).toEqual(answer(3));
    expect(scene.socket.isEnded).toBe(true);
  });

  test('at once where no stream is open, as soon as the PING came back', async () => {
    const scene = await openScene();
    scene.connection.goAway();
    await scene.said();
    expect(scene.socket.isEnded).toBe(false);
    expect(await scene.answer(ping('leaving\0', true))).toEqual(['GOAWAY 0 NO_ERROR']);
    expect(scene.socket.isEnded).toBe(true);
  });

  test('only once, however often it is told to, and only by its own PING', async () => {
    const scene = await openScene();
    await scene.answer(head(scene, 1));
    scene.connection.goAway();
    scene.connection.goAway();
    expect(await scene.said()).toEqual(warning);
    expect(await scene.answer(ping('leaving!', true), ping('leaving\0'))).toEqual(['PING "leaving\\u0000" ack']);
    expect(await scene.answer(ping('leaving\0', true), ping('leaving\0', true))).toEqual(['GOAWAY 1 NO_ERROR']);
    scene.connection.goAway();
    expect(await scene.said()).toEqual([]);
  });

  test('without the PING where it does not come back in time', async () => {
    const scene = await openScene({ limits: { pingMs: 20_000 } });
    await scene.answer(head(scene, 1));
    scene.connection.goAway();
    await scene.said();
    scene.check(19_999);
    expect(await scene.said()).toEqual([]);
    scene.check(1);
    expect(await scene.said()).toEqual(['GOAWAY 1 NO_ERROR']);
    expect(scene.socket.isEnded).toBe(false);
  });

  test('a peer that has not greeted yet, at once', async () => {
    const scene = await openScene({ silent: true });
    await scene.said();
    scene.connection.goAway();
    expect(await scene.said()).toEqual(['GOAWAY 0 NO_ERROR']);
    expect(scene.socket.isEnded).toBe(true);
    expect(await scene.answer(greeting, settings(), head(scene, 1))).toEqual([]);
    expect(scene.streams.size).toBe(0);
  });

  test('after an answer that has to wait for a window', async () => {
    const scene = await openScene({ peerSettings: [[4, 0]] });
    await scene.answer(head(scene, 1));
    scene.connection.goAway();
    answerWith(3)(scene.told(1));
    await scene.answer(ping('leaving\0', true));
    expect(scene.socket.isEnded).toBe(false);
    expect(await scene.answer(windowUpdate(1, 3))).toEqual(['DATA 1 3 END_STREAM']);
    expect(scene.socket.isEnded).toBe(true);
  });

  test('after a stream that the peer resets, and does not wait for work that goes on for nobody', async () => {
    const scene = await openScene();
    await scene.answer(head(scene, 1));
    scene.connection.goAway();
    await scene.answer(ping('leaving\0', true));
    await scene.answer(reset(1));
    expect(scene.socket.isEnded).toBe(true);
  });

  test('and what it said last arrives, although a write was under way when the last stream ended', async () => {
    const scene = await openScene({ peerSettings: [[4, 2 ** 20]] });
    await scene.answer(head(scene, 1), windowUpdate(0, 2 ** 20));
    scene.connection.goAway();
    await scene.answer(ping('leaving\0', true));
    // A slow reader: the kernel has not taken the head yet when the rest of the answer comes.
    scene.socket.hold();
    const { stream } = scene.told(1);
    stream.headers(okHead);
    await settled();
    stream.data(letters(9), true);
    await settled();
    scene.socket.drain('all');
    expect(await scene.said()).toEqual(['HEADERS 1 :status=200', 'DATA 1 9 END_STREAM']);
    expect(scene.socket.isEnded).toBe(true);
    expect(scene.socket.errored).toBe(null);
  });
});

describe('a mistake of the peer', () => {
  test('is told although a write was under way when it came', async () => {
    const scene = await openScene();
    scene.socket.hold();
    scene.send(ping());
    await settled();
    scene.send(data(0, 'x'));
    await settled();
    scene.socket.drain('all');
    expect(await scene.said()).toEqual(['PING "12345678" ack', 'GOAWAY 0 PROTOCOL_ERROR DATA needs a stream']);
    expect(scene.socket.isEnded).toBe(true);
    expect(scene.socket.errored).toBe(null);
  });
});

describe('the peer leaves', () => {
  test('with GOAWAY: it is answered with one, its streams are finished, and the connection ends', async () => {
    const scene = await openScene();
    await scene.answer(head(scene, 1));
    expect(await scene.answer(goAway(0))).toEqual(['GOAWAY 1 NO_ERROR']);
    expect(scene.socket.isEnded).toBe(false);
    answerWith(1)(scene.told(1));
    expect(await scene.said()).toEqual(answer(1));
    expect(scene.socket.isEnded).toBe(true);
  });

  test('with GOAWAY and nothing open: the connection ends at once', async () => {
    const scene = await openScene();
    expect(await scene.answer(goAway(0), ping())).toEqual(['GOAWAY 0 NO_ERROR']);
    expect(scene.socket.isEnded).toBe(true);
  });

  test('with GOAWAY between our two', async () => {
    const scene = await openScene();
    await scene.answer(head(scene, 1));
    scene.connection.goAway();
    expect(await scene.answer(goAway(0), ping('leaving\0', true))).toEqual([...warning, 'GOAWAY 1 NO_ERROR']);
  });

  test('with GOAWAY and a code, and words to it', async () => {
    const scene = await openScene();
    const payload = Buffer.concat([Buffer.alloc(7), Buffer.from([11]), Buffer.from('too much')]);
    expect(await scene.answer(frame('GOAWAY', 0, 0, payload))).toEqual(['GOAWAY 0 NO_ERROR']);
  });

  test('by ending its side: streams are given up, and the connection is closed', async () => {
    const scene = await openScene();
    await scene.answer(head(scene, 1));
    scene.socket.receive(null);
    await settled();
    expect(scene.told(1).events).toEqual(['end', 'reset 8']);
    expect({ closed: scene.closed, open: scene.connection.openStreams }).toEqual({ closed: 1, open: 0 });
  });

  test('by breaking off: streams are told, once, and a late answer goes nowhere', async () => {
    const scene = await openScene();
    await scene.answer(head(scene, 1));
    scene.socket.destroy(new Error('ECONNRESET'));
    await settled();
    answerWith(5)(scene.told(1));
    scene.connection.goAway();
    scene.connection.check();
    scene.connection.destroy();
    expect(await scene.said()).toEqual([]);
    expect(scene.told(1).events).toEqual(['end', 'reset 8']);
    expect(scene.closed).toBe(1);
  });
});

test('destroy ends a connection at once, and its streams with it', async () => {
  const scene = await openScene();
  await scene.answer(head(scene, 1));
  scene.connection.destroy();
  await settled();
  expect(scene.socket.destroyed).toBe(true);
  expect(scene.told(1).events).toEqual(['end', 'reset 8']);
  expect(scene.closed).toBe(1);
});
