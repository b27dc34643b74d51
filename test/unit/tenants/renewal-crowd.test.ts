/** A thousand data keys that were born together, under load, with a short life and a limit of calls that just suffices. */
import { describe, expect, it } from 'vitest';
import { guarded } from '../../../src/kms/guarded.ts';
import { KeyRing } from '../../../src/kms/key-ring.ts';
import { observed } from '../../../src/kms/observed.ts';
import { busiestSecond } from '../../support/busiest-second.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { SpreadEngine } from '../../support/spread-engine.ts';
import { settled } from '../../support/watched-engine.ts';

const entries = 1_000;
const callsPerSecond = 50;
const settings = { cacheTtlMs: 60_000, cacheMaxEntries: entries };

async function crowd() {
  const key = new FakeKeyService('cmk-a');
  const engine = new SpreadEngine(1);
  const { clock } = engine;
  // Born in one moment, as no limit would let them be.
  engine.serve('a', [key], settings);
  const wrapped: Buffer[] = [];
  for (let i = 0; i < entries; i++) wrapped.push((await engine.generate('a', { source: 2 })).wrappedDek);
  const calls: number[] = [];
  const told = observed(key, clock, () => calls.push(clock.monotonic()));
  const { live, background } = guarded(
    { calls: told, canary: told },
    { clock, random: seededRandom(2), timeoutMs: 2_000, callsPerSecond, concurrency: 16 },
  );
  engine.serve('a', [key], settings, async () => new KeyRing({ current: live }, { current: background }));
  return { engine, wrapped, calls };
}

/** Has every key asked for every two seconds. Returns how often, and how often nothing was cached. */
async function load({ engine, wrapped, seconds }: { engine: SpreadEngine; wrapped: Buffer[]; seconds: number }) {
  const figures = engine.registry.all().next().value?.figures ?? { hits: 0, misses: 0 };
  const [hits, misses] = [figures.hits, figures.misses];
  const stepMs = 40;
  const each = (entries * stepMs) / 2_000;
  const failures: unknown[] = [];
  for (let at = 0; at < seconds * 1_000; at += stepMs) {
    engine.clock.advance(stepMs);
    const from = ((at / stepMs) * each) % entries;
    for (const wrappedDek of wrapped.slice(from, from + each)) {
      engine.unwrap('a', wrappedDek).then(
        (opened) => opened[Symbol.dispose](),
        (error) => failures.push(error),
      );
    }
    await settled();
  }
  return { asked: figures.hits + figures.misses - hits - misses, misses: figures.misses - misses, failures };
}

describe('a thousand data keys that were born together', () => {
  it('are renewed within the limit of calls, and hardly anybody waits', async () => {
    const { engine, wrapped, calls } = await crowd();
    const { asked, misses, failures } = await load({ engine, wrapped, seconds: 180 });
    expect(failures).toEqual([]);
    expect(asked).toBe(180 * 500);
    // Each lives for a minute at most, so three minutes take three calls a key, or nearly: the first was before.
    expect(calls.length).toBeGreaterThan(3 * entries);
    expect(busiestSecond(calls)).toBeLessThanOrEqual(callsPerSecond);
    expect(misses / calls.length).toBeLessThan(0.05);
  });
});
