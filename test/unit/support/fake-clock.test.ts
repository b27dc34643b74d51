/** The clock of the tests: what fires, when and in which order, with as many timers as a large fleet of tenants sets. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FakeClock } from '../../support/fake-clock.ts';
import { processorMs } from '../../support/processor-time.ts';

test('timers fire in the order of their times, and those of one time in the order in which they were set', () => {
  const clock = new FakeClock();
  const fired: string[] = [];
  for (const [name, at] of [
    ['c', 20],
    ['a', 10],
    ['d', 20],
    ['b', 10],
    ['late', 31],
    ['at once', -5],
  ] as const) {
    clock.after(at, () => fired.push(`${name} at ${clock.monotonic()}`));
  }
  clock.advance(30);
  expect(fired).toEqual(['at once at 0', 'a at 10', 'b at 10', 'c at 20', 'd at 20']);
  expect(clock.timers).toBe(1);
  expect(clock.now()).toBe(clock.start + 30);
});

test('a timer that is set while another fires falls due in the same move', () => {
  const clock = new FakeClock();
  const fired: number[] = [];
  const again = () => {
    fired.push(clock.monotonic());
    clock.after(10, again);
  };
  clock.after(10, again);
  clock.advance(35);
  expect(fired).toEqual([10, 20, 30]);
  expect(clock.monotonic()).toBe(35);
});

test('what fell due while the machine slept fires at the end of the sleep', () => {
  const clock = new FakeClock();
  const fired: number[] = [];
  clock.after(10, () => fired.push(clock.monotonic()));
  clock.sleep(50);
  expect(fired).toEqual([50]);
});

test('a jump of the wall clock changes what people read, fires nothing and ages nothing', () => {
  const clock = new FakeClock();
  clock.after(1000, () => {
    throw new Error('nothing was due');
  });
  clock.advance(10);
  clock.wallJump(3_600_000);
  expect([clock.now() - clock.start, clock.monotonic()]).toEqual([3_600_010, 10]);
  clock.wallJump(-7_200_000);
  clock.advance(10);
  expect([clock.now() - clock.start, clock.monotonic()]).toEqual([-3_599_980, 20]);
});

test('any timers, of which any are taken back, fire as a sorted list of them would', () => {
  const timer = fc.record({ at: fc.nat(50), isTakenBack: fc.boolean() });
  fc.assert(
    fc.property(fc.array(timer, { maxLength: 300 }), fc.nat(60), (timers, end) => {
      const clock = new FakeClock();
      const fired: number[] = [];
      const set = timers.map(({ at }, index) => clock.after(at, () => fired.push(index)));
      for (const [index, { isTakenBack }] of timers.entries()) if (isTakenBack) set[index]?.[Symbol.dispose]();
      const left = timers.map((each, index) => ({ ...each, index })).filter(({ isTakenBack }) => !isTakenBack);
      expect(clock.timers).toBe(left.length);
      clock.advance(end);
      const due = left.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      expect(fired).toEqual(due.map(({ index }) => index));
      expect(clock.timers).toBe(left.length - due.length);
      // To take back what has fired, or a second time, changes nothing.
      for (const { index } of due) set[index]?.[Symbol.dispose]();
      expect(clock.timers).toBe(left.length - due.length);
    }),
  );
});

test('a hundred thousand timers, each set again when it fires and half of them taken back, cost little', () => {
  const clock = new FakeClock();
  const start = processorMs();
  let fired = 0;
  const count = 100_000;
  const repeat = (index: number) => {
    fired += 1;
    clock.after(1_000 + (index % 997), () => repeat(index));
  };
  for (let index = 0; index < count; index++) {
    const timer = clock.after(index % 1_009, () => repeat(index));
    if (index % 2 === 0) timer[Symbol.dispose]();
  }
  clock.advance(5_000);
  expect(clock.timers).toBe(count / 2);
  expect(fired).toBeGreaterThan(count);
  // A list that is gone through for every timer would take minutes.
  expect(processorMs() - start).toBeLessThan(5_000);
});
