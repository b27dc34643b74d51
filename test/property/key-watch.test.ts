/**
 * A tenant's keys under whatever their customer says and their services do, in any order, with calls under way all the
 * time: what must hold after each second of it is in `WatchWorld`.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { moods, wills } from '../support/moody-key.ts';
import { intervalMs, type Part, type Step, WatchWorld } from '../support/watch-world.ts';

const of = fc.constantFrom<Part>('current', 'current', 'replica');
const purpose = fc.nat({ max: 2 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('encrypt' as const), purpose }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('generate' as const), purpose }) },
  { weight: 10, arbitrary: fc.record({ kind: fc.constant('open' as const), which: fc.nat({ max: 1_000 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('odd context' as const) }) },
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant('time' as const),
      ms: fc.constantFrom(50, 500, 1_000, 1_000, 5_000, intervalMs, 2 * intervalMs, 100_000),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('asleep' as const), ms: fc.constantFrom(500, 15_000, 100_000, 400_000) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('wall clock' as const), ms: fc.constantFrom(-7_200_000, 7_200_000) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ kind: fc.constant('will' as const), of, will: fc.constantFrom('yes', 'yes', ...wills) }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('mood' as const),
      of,
      mood: fc.constantFrom('well', 'well', 'well', ...moods),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('hold' as const), what: fc.constantFrom('calls', 'answers') }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constantFrom('overtake', 'release') }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constantFrom('slow canary', 'forget') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('retire version', 'reload') }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('canary denied', 'canary allowed') }) },
);

/** At the beginning the key wraps something: a key that never did, and denies the canary, can be asked nothing. */
const beginning: readonly Step[] = [{ kind: 'encrypt', purpose: 9 }];

/**
 * In the end the service is well, the customer says yes, and then no. Data keys are fetched anew before: a key of which
 * nothing is cached any more is not asked.
 */
const ending: readonly Step[] = [
  { kind: 'release' },
  { kind: 'mood', of: 'current', mood: 'well' },
  { kind: 'will', of: 'current', will: 'yes' },
  { kind: 'time', ms: 30_000 },
  { kind: 'forget' },
  { kind: 'encrypt', purpose: 9 },
  { kind: 'time', ms: 10_000 },
];
const no: readonly Step[] = [
  { kind: 'will', of: 'current', will: 'denied' },
  { kind: 'time', ms: intervalMs + 3_000 },
];

describe('a watched key', () => {
  it('keeps its promises under any sequence of noes, outages and calls', async () => {
    const seen = { answers: 0, failures: 0, refusals: 0, recoveries: 0 };
    let steps = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 150, size: 'max' }), fc.nat(), async (all, seed) => {
        const world = new WatchWorld(seed);
        for (const each of [...beginning, ...all, ...ending]) await world.run(each);
        const answers = world.seen.answers;
        await world.run({ kind: 'encrypt', purpose: 9 });
        expect(world.broken).toEqual([]);
        expect(world.seen.answers).toBe(answers + 1);
        for (const each of no) await world.run(each);
        expect(world.broken).toEqual([]);
        expect(world.key.watch?.state.kind).toBe('refused');
        expect(world.key.outlived()).toBe(0);
        steps += all.length;
        for (const name of Object.keys(seen) as (keyof typeof seen)[]) seen[name] += world.seen[name];
      }),
      { numRuns: 150 },
    );
    // Most of it has to have happened for this to mean anything.
    expect(steps).toBeGreaterThan(7_500);
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(40);
  });
});
