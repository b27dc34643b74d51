/** Expiry: nothing ends early, everything ends within a second, whatever the clock does in between. */
import { describe, expect, it } from 'vitest';
import { Expiry } from '../../../src/dek/expiry.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function recorded() {
  const clock = new FakeClock();
  const ended: [string, number][] = [];
  const expiry = new Expiry<string>(clock, (item) => ended.push([item, clock.monotonic()]));
  return { clock, ended, expiry };
}

describe('Expiry', () => {
  it.each([0, 1, 999, 1000, 1001, 2500, 59_999, 86_400_000])(
    'ends an item planned for %i ms within a second after, never before',
    (at) => {
      const { clock, ended, expiry } = recorded();
      clock.advance(437);
      expiry.plan('x', at);
      clock.advance(at + 2000);
      const [item, when] = ended[0] ?? ['', Number.NaN];
      expect(item).toBe('x');
      expect(when).toBeGreaterThanOrEqual(at);
      expect(when - Math.max(at, 437)).toBeLessThanOrEqual(1000);
      expect(ended).toHaveLength(1);
    },
  );

  it('replaces an earlier plan, to a later time and to a sooner one', () => {
    const { clock, ended, expiry } = recorded();
    expiry.plan('later', 1000);
    expiry.plan('later', 5000);
    expiry.plan('sooner', 5000);
    expiry.plan('sooner', 1000);
    clock.advance(4000);
    expect(ended.map(([item]) => item)).toEqual(['sooner']);
    clock.advance(2000);
    expect(ended.map(([item]) => item)).toEqual(['sooner', 'later']);
  });

  it('forgets what is cancelled, and takes a cancellation of nothing', () => {
    const { clock, ended, expiry } = recorded();
    expiry.plan('x', 1000);
    expiry.plan('y', 1000);
    expiry.cancel('x');
    expiry.cancel('never planned');
    clock.advance(10_000);
    expect(ended.map(([item]) => item)).toEqual(['y']);
  });

  it('sets one timer however many items there are, and none when there are none', () => {
    const { clock, expiry } = recorded();
    for (let i = 0; i < 1000; i++) expiry.plan(`item ${i}`, i * 10);
    expect(clock.timers).toBe(1);
    clock.advance(20_000);
    expect(clock.timers).toBe(0);
  });

  it('ends all that fell due while the machine slept for a month, and still works after', () => {
    const { clock, ended, expiry } = recorded();
    for (let day = 1; day <= 60; day++) expiry.plan(`day ${day}`, day * 86_400_000);
    clock.sleep(30 * 86_400_000 + 500);
    expect(ended).toHaveLength(30);
    clock.sleep(31 * 86_400_000);
    expect(ended).toHaveLength(60);
  });

  it('takes new plans after a long time in which there was nothing to do', () => {
    const { clock, ended, expiry } = recorded();
    clock.sleep(365 * 86_400_000);
    const now = clock.monotonic();
    expiry.plan('overdue', 5);
    expiry.plan('x', now + 1500);
    clock.advance(1000);
    expect(ended.map(([item]) => item)).toEqual(['overdue']);
    clock.advance(2000);
    expect(ended.map(([item]) => item)).toEqual(['overdue', 'x']);
  });

  it('may plan again from within the call that ends an item', () => {
    const clock = new FakeClock();
    const ended: number[] = [];
    const expiry: Expiry<string> = new Expiry(clock, (item) => {
      ended.push(clock.monotonic());
      if (ended.length < 3) expiry.plan(item, clock.monotonic() + 1000);
    });
    expiry.plan('x', 1000);
    clock.advance(10_000);
    expect(ended).toEqual([1000, 2000, 3000]);
  });

  it('ends nothing after it was disposed of', () => {
    const { clock, ended, expiry } = recorded();
    expiry.plan('x', 1000);
    expiry[Symbol.dispose]();
    clock.advance(10_000);
    expect(ended).toEqual([]);
    expect(clock.timers).toBe(0);
  });
});
