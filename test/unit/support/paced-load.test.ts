/** The load of so many calls a second: its pace, its bound, and what it writes down. */
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { runPaced } from '../../support/paced-load.ts';

test('calls begin when they are due, however long each takes', async () => {
  const begun: number[] = [];
  const records = await runPaced({
    ...{ rate: 500, seconds: 0.4, maxInFlight: 1000 },
    call: async (index) => {
      begun.push(index);
      await sleep(100);
      return index % 2;
    },
  });
  expect(begun).toEqual(Array.from({ length: 200 }, (_, index) => index));
  expect([records.count(0), records.count(1), records.count(2)]).toEqual([100, 100, 0]);
  const [first = 0, last = 0] = [records.due[0], records.due[199]];
  expect(last - first).toBeCloseTo(398);
  for (const [index, due] of records.due.entries()) {
    expect(records.start[index]).toBeGreaterThanOrEqual(due);
    expect((records.end[index] ?? 0) - (records.start[index] ?? 0)).toBeGreaterThan(95);
  }
  expect(records.quantile(0.5)).toBeGreaterThan(95);
});

test('never more calls than the bound are in flight, and those that wait for it are late from when they were due', async () => {
  let [now, most] = [0, 0];
  const records = await runPaced({
    ...{ rate: 1000, seconds: 0.02, maxInFlight: 2 },
    call: async () => {
      now += 1;
      most = Math.max(most, now);
      await sleep(20);
      now -= 1;
      return 0;
    },
  });
  expect(most).toBe(2);
  expect(records.count(0)).toBe(20);
  // Ten pairs, one after the other.
  expect(records.quantile(1)).toBeGreaterThan(150);
});

test('a call that throws ends the load', async () => {
  const call = (index: number) => (index === 3 ? Promise.reject(new Error('a bug')) : Promise.resolve(0));
  await expect(runPaced({ rate: 100, seconds: 0.1, maxInFlight: 10, call })).rejects.toThrow('a bug');
});
