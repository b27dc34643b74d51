/** Turns: a peer that sends much is served for a moment at a time, and the others in between. */
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Inbox } from '../../../src/h2/inbox.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { MemorySocket } from '../../support/memory-socket.ts';

interface BenchOptions {
  readonly clock?: FakeClock;
  readonly frameMs?: number;
  readonly isOverfull?: () => boolean;
}

/** An inbox whose bytes are frames of one byte each, which take `frameMs`; those of 1 begin a stream. */
function bench({ clock = new FakeClock(), frameMs = 0, isOverfull = () => false }: BenchOptions = {}) {
  const socket = new MemorySocket();
  const seen: number[] = [];
  const inbox: Inbox = new Inbox(socket as never, {
    ...{ clock, turnMs: 1, isOverfull },
    read(chunk, from) {
      for (let at = from; at < chunk.length; at++) {
        seen.push(chunk[at] ?? 0);
        clock.advance(frameMs);
        if (chunk[at] === 1) inbox.begun();
        if (!inbox.mayGoOn(0)) return at + 1;
      }
      return chunk.length;
    },
  });
  const take = (bytes: readonly number[]) => inbox.take(Buffer.from(bytes), clock.monotonic());
  return { clock, socket, seen, inbox, take };
}

const frames = (count: number, byte = 0) => Array.from({ length: count }, () => byte);

test('what fits a turn is read in it, and the socket goes on', () => {
  const { seen, take, socket } = bench();
  take(frames(1000));
  expect(seen).toHaveLength(1000);
  expect(socket.isPaused()).toBe(false);
});

test('after its time nothing is read, from the socket neither, until its next turn', async () => {
  const { seen, take, socket } = bench({ frameMs: 0.1 });
  take(frames(40));
  expect(seen.length).toBeLessThan(20);
  await turn();
  const first = seen.length;
  expect(first).toBeLessThan(40);
  for (let i = 0; i < 10; i++) await turn();
  expect(seen).toHaveLength(40);
  expect(socket.isPaused()).toBe(false);
});

test('no more than some streams begin before what their handlers do at once is counted', async () => {
  const clock = new FakeClock();
  const { seen, take } = bench({ clock });
  take(frames(100, 1));
  expect(seen).toHaveLength(8);
  clock.advance(1);
  await turn();
  expect(seen.length).toBeLessThan(100);
  for (let i = 0; i < 20; i++) await turn();
  expect(seen).toHaveLength(100);
});

test('connections that have more to read than a turn holds take turns, and chunks stay in their order', async () => {
  const clock = new FakeClock();
  const [one, other] = [bench({ clock, frameMs: 0.2 }), bench({ clock, frameMs: 0.2 })];
  one.take([...frames(200, 2), ...frames(100, 3)]);
  one.take(frames(50, 4));
  other.take(frames(300, 2));
  let apart = 0;
  while (one.seen.length < 350 || other.seen.length < 300) {
    await turn();
    if (one.seen.length < 350 && other.seen.length < 300) {
      apart = Math.max(apart, Math.abs(one.seen.length - other.seen.length));
    }
  }
  expect(apart).toBeLessThan(50);
  expect(one.seen).toEqual([...frames(200, 2), ...frames(100, 3), ...frames(50, 4)]);
});

test('a socket is not read while output waits, and again when there is room', () => {
  let isFull = true;
  const { take, socket, inbox, seen } = bench({ isOverfull: () => isFull });
  take([0]);
  expect([seen.length, socket.isPaused()]).toEqual([1, true]);
  isFull = false;
  inbox.regulate();
  expect(socket.isPaused()).toBe(false);
});

test('nothing is read after the end, although it had come', async () => {
  const { take, inbox, seen } = bench({ frameMs: 0.1 });
  take(frames(100));
  const before = seen.length;
  inbox.close();
  for (let i = 0; i < 20; i++) await turn();
  take(frames(10));
  expect(seen).toHaveLength(before);
});
