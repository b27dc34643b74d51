import { expect, test } from 'vitest';
import { collected } from '../../../src/telemetry/collected.ts';
import { FakeClock } from '../../support/fake-clock.ts';

/** A registry that takes a while for a text, which says how many collections there have been. */
function slowRegistry(milliseconds = 10) {
  const clock = new FakeClock();
  const registry = {
    count: 0,
    metrics: async () => {
      registry.count++;
      clock.advance(milliseconds);
      if (registry.count === 2) throw new Error('no text this time');
      return `collection ${registry.count}`;
    },
  };
  return { clock, registry, collect: collected(registry, clock) };
}

/** Lets everything run that waits for no clock. */
const settle = () => new Promise((done) => setImmediate(done));

test('who asks together gets one collection, in the same bytes', async () => {
  const { registry, collect } = slowRegistry();
  const [one, other] = await Promise.all([collect(), collect()]);
  expect([one.toString(), one === other, registry.count]).toEqual(['collection 1', true, 1]);
});

test('who asks later gets what was collected later, after a rest of nine times as long', async () => {
  const { clock, registry, collect } = slowRegistry();
  await collect();
  const later = collect().catch((error: Error) => error.message);
  await settle();
  clock.advance(89);
  await settle();
  expect(registry.count).toBe(1);
  clock.advance(1);
  expect(await later).toBe('no text this time');
});

test('a collection that fails is followed by another', async () => {
  const { clock, collect } = slowRegistry();
  await collect();
  clock.advance(90);
  await expect(collect()).rejects.toThrow('no text this time');
  const next = collect();
  await settle();
  clock.advance(90);
  expect((await next).toString()).toBe('collection 3');
});

test('a machine that is slow rests a second', async () => {
  const { clock, registry, collect } = slowRegistry(5000);
  await collect();
  const later = collect().catch(() => {});
  await settle();
  clock.advance(1000);
  await later;
  expect(registry.count).toBe(2);
});
