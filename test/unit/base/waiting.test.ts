/** Waiting: pauses, back-off, and giving up on what goes on for others. */
import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { fullJitter } from '../../../src/base/backoff.ts';
import { pause, systemClock } from '../../../src/base/clock.ts';
import { untilAborted } from '../../../src/base/until-aborted.ts';
import { FakeClock } from '../../support/fake-clock.ts';

const gaveUp = new Error('gave up');
const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length;

describe('pause', () => {
  it('ends at its time and not before', async () => {
    const clock = new FakeClock();
    let ended = false;
    const waiting = pause(clock, 100).then(() => {
      ended = true;
    });
    clock.advance(99);
    await Promise.resolve();
    expect(ended).toBe(false);
    clock.advance(1);
    await waiting;
    expect(ended).toBe(true);
  });

  it('rejects with the reason of its signal at once, and takes its timer back', async () => {
    const clock = new FakeClock();
    const controller = new AbortController();
    const waiting = pause(clock, 100, controller.signal);
    controller.abort(gaveUp);
    await expect(waiting).rejects.toBe(gaveUp);
    expect(clock.timers).toBe(0);
  });

  it('does not begin under a signal that is aborted already', async () => {
    const clock = new FakeClock();
    await expect(pause(clock, 100, AbortSignal.abort(gaveUp))).rejects.toBe(gaveUp);
    expect(clock.timers).toBe(0);
  });

  it('leaves no listener behind on a signal that lives on', async () => {
    const clock = new FakeClock();
    const { signal } = new AbortController();
    const waiting = pause(clock, 5, signal);
    clock.advance(5);
    await waiting;
    expect(listeners(signal)).toBe(0);
  });
});

describe('systemClock', () => {
  it('counts on, and calls back once unless the timer is taken back', async () => {
    const calls: string[] = [];
    const before = systemClock.monotonic();
    systemClock.after(2, () => calls.push('taken back'))[Symbol.dispose]();
    await new Promise<void>((done) => {
      systemClock.after(-5, () => calls.push('at once'));
      systemClock.after(8, () => done());
      // Its timers do not keep a process alive; this one does.
      setTimeout(() => {}, 50);
    });
    expect(calls).toEqual(['at once']);
    expect(systemClock.monotonic() - before).toBeGreaterThan(5);
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1000);
  });
});

describe('fullJitter', () => {
  const backoff = { baseMs: 50, capMs: 1000 };

  it.each([
    [0, 50],
    [1, 100],
    [4, 800],
    [5, 1000],
    [60, 1000],
    [2000, 1000],
  ])('has a ceiling after %i failures of %i ms', (attempt, ceiling) => {
    expect(fullJitter(backoff, attempt, () => 1)).toBe(ceiling);
    expect(fullJitter(backoff, attempt, () => 0.5)).toBe(ceiling / 2);
    expect(fullJitter(backoff, attempt, () => 0)).toBe(0);
  });
});

describe('untilAborted', () => {
  it.each<[string, () => Promise<string>]>([
    ['the answer', async () => 'answer'],
    ['the failure', () => Promise.reject(new Error('failure'))],
  ])('hands %s over and leaves no listener behind', async (_name, work) => {
    const promise = work();
    const { signal } = new AbortController();
    const settled = await Promise.allSettled([
      promise,
      untilAborted(promise, signal),
      untilAborted(promise, undefined),
    ]);
    expect(settled[1]).toEqual(settled[0]);
    expect(settled[2]).toEqual(settled[0]);
    await Promise.resolve();
    expect(listeners(signal)).toBe(0);
  });

  it('gives up with the reason of the signal while the others wait on', async () => {
    const controller = new AbortController();
    const work = Promise.withResolvers<string>();
    const patient = untilAborted(work.promise, new AbortController().signal);
    const hasty = untilAborted(work.promise, controller.signal);
    controller.abort(gaveUp);
    await expect(hasty).rejects.toBe(gaveUp);
    await expect(untilAborted(work.promise, controller.signal)).rejects.toBe(gaveUp);
    work.resolve('answer');
    await expect(patient).resolves.toBe('answer');
  });

  it('swallows a failure that comes after everybody has given up', async () => {
    const work = Promise.withResolvers<string>();
    await expect(untilAborted(work.promise, AbortSignal.abort(gaveUp))).rejects.toBe(gaveUp);
    work.reject(new Error('nobody listens'));
    await new Promise((done) => setImmediate(done));
  });
});
