/** How many calls one key's service gets, in what order, and what becomes of those who have to wait. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CallBudget, OverBudget, type Slot, type Urgency } from '../../../src/kms/call-budget.ts';
import { failureOf, never } from '../../contract/calls.ts';
import { BudgetWorld, type Visit } from '../../support/budget-world.ts';
import { ManualClock, settled } from './manual-clock.ts';

function world({ callsPerSecond = 10, concurrency = 5, maxWaitMs = 2_000 } = {}) {
  const clock = new ManualClock();
  const budget = new CallBudget({ provider: 'local', clock, callsPerSecond, concurrency, maxWaitMs });
  const admitted: string[] = [];
  const slots: Slot[] = [];
  /** Asks for a turn under a name; the slot stays taken until somebody takes it out of `slots`. */
  const enter = (name: string, urgency: Urgency = 'live', signal = never) =>
    budget.enter(urgency, signal).then((slot) => {
      admitted.push(name);
      slots.push(slot);
    });
  const take = async (count: number) => {
    for (let i = 0; i < count; i++) (await budget.enter('live', never))[Symbol.dispose]();
  };
  return { clock, budget, admitted, slots, enter, take };
}

describe('CallBudget', () => {
  it('lets as many calls go in a second as there are tokens, and each further one when a token is back', async () => {
    const { clock, admitted, enter, slots } = world({ callsPerSecond: 2 });
    await enter('a');
    await clock.advance(400);
    await enter('b');
    const waiting = [enter('c'), enter('d')];
    await clock.advance(599);
    expect(admitted).toEqual(['a', 'b']);
    await clock.advance(1);
    expect(admitted).toEqual(['a', 'b', 'c']);
    await clock.advance(400);
    expect(admitted).toEqual(['a', 'b', 'c', 'd']);
    await Promise.all(waiting);
    expect(slots).toHaveLength(4);
  });

  it('lets no more calls be under way than there are places, however long they take', async () => {
    const { clock, admitted, enter, slots } = world({ concurrency: 2, maxWaitMs: 60_000 });
    for (const name of ['a', 'b', 'c', 'd']) void enter(name);
    await clock.advance(30_000);
    expect(admitted).toEqual(['a', 'b']);
    slots.shift()?.[Symbol.dispose]();
    await settled();
    expect(admitted).toEqual(['a', 'b', 'c']);
  });

  it('counts the end of a call once', async () => {
    const { admitted, enter, slots } = world({ concurrency: 1 });
    await enter('a');
    const [first] = slots;
    for (let i = 0; i < 3; i++) first?.[Symbol.dispose]();
    void enter('b');
    void enter('c');
    await settled();
    expect(admitted).toEqual(['a', 'b']);
  });

  it('lets live calls go first, each kind in the order in which it came', async () => {
    const { clock, admitted, enter, take } = world({ callsPerSecond: 5 });
    await take(5);
    const names = ['background 1', 'live 1', 'background 2', 'live 2'];
    for (const name of names) void enter(name, name.startsWith('live') ? 'live' : 'background');
    await clock.advance(1_000);
    expect(admitted).toEqual(['live 1', 'live 2', 'background 1', 'background 2']);
  });

  it('lets no background call slip in before a live one that waits, when tokens are back and nobody has looked yet', async () => {
    const { clock, budget, admitted, enter, take } = world({ callsPerSecond: 5 });
    // Set before the budget's own timer for the same moment, as a late event loop would have it.
    clock.after(1_000, () => void budget.enter('background', never).then(() => admitted.push('background')));
    await take(5);
    void enter('live');
    await clock.advance(1_000);
    expect(admitted).toEqual(['live', 'background']);
  });

  it('leaves a fifth of tokens and places to live calls', async () => {
    const tokens = world({ callsPerSecond: 10, concurrency: 100 });
    const places = world({ callsPerSecond: 100, concurrency: 10 });
    for (const { admitted, enter } of [tokens, places]) {
      for (let i = 0; i < 12; i++) void enter('background', 'background');
      await settled();
      expect(admitted).toHaveLength(8);
      for (let i = 0; i < 4; i++) void enter('live');
      await settled();
      expect(admitted.slice(8)).toEqual(['live', 'live']);
    }
  });

  it('lets background calls go where the limit is a single one', async () => {
    const { admitted, enter } = world({ callsPerSecond: 1, concurrency: 1 });
    await enter('background', 'background');
    expect(admitted).toEqual(['background']);
  });

  it('lets the canary go at once, and the others lack what it takes', async () => {
    const { clock, budget, admitted, enter, take } = world({ callsPerSecond: 2, concurrency: 2 });
    await take(2);
    const canary = budget.enterAtOnce();
    for (const name of ['a', 'b', 'c']) void enter(name);
    await clock.advance(999);
    expect(admitted).toEqual([]);
    await clock.advance(1);
    // The canary is still under way, so only one place is left.
    expect(admitted).toEqual(['a']);
    canary[Symbol.dispose]();
    await settled();
    expect(admitted).toEqual(['a', 'b']);
  });
});

describe('a call that waits for its turn', () => {
  it('is sent away at once where more wait before it than could be served in time, and told when to come again', async () => {
    const { budget, enter, take } = world({ callsPerSecond: 10, maxWaitMs: 1_000 });
    await take(10);
    for (let i = 0; i < 10; i++) enter('waits').catch(() => undefined);
    const error = await failureOf(budget.enter('live', never));
    expect(error).toBeInstanceOf(OverBudget);
    // Ten before it at ten a second, and itself.
    expect(error.fault).toEqual({ kind: 'outage', reason: 'KEY_CALLS_OVER_BUDGET', retryAfterMs: 1_100 });
    expect(error.details).toEqual({ provider: 'local', operation: 'WaitForItsTurn' });
  });

  it('is sent away when it has waited for its time, and told when to come again', async () => {
    const { clock, budget, enter } = world({ concurrency: 1, maxWaitMs: 500 });
    await enter('holds the only place');
    const waiting = failureOf(budget.enter('live', never));
    let isOver = false;
    void waiting.then(() => {
      isOver = true;
    });
    await clock.advance(499);
    expect(isOver).toBe(false);
    await clock.advance(1);
    expect((await waiting).fault).toEqual({
      kind: 'outage',
      reason: 'KEY_CALLS_OVER_BUDGET',
      retryAfterMs: 100,
    });
  });

  it('waits longer where nobody waits for it', async () => {
    const { clock, budget, enter } = world({ concurrency: 1, maxWaitMs: 500 });
    await enter('holds the only place');
    const waiting = failureOf(budget.enter('background', never));
    await clock.advance(59_999);
    expect(await Promise.race([waiting, 'still waits'])).toBe('still waits');
    await clock.advance(1);
    expect(await waiting).toBeInstanceOf(OverBudget);
  });

  it('leaves when its caller gives up, and those behind it move up', async () => {
    const { clock, admitted, budget, enter, take } = world({ callsPerSecond: 2 });
    await take(2);
    const controller = new AbortController();
    const first = failureOf(budget.enter('live', controller.signal));
    void enter('second');
    void enter('third');
    controller.abort(new Error('gave up'));
    expect((await first).fault).toEqual({ kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' });
    await clock.advance(1_000);
    expect(admitted).toEqual(['second', 'third']);
  });

  it('does not even stand in line where its caller has given up before', async () => {
    const { budget, enter, admitted } = world({ callsPerSecond: 1 });
    const error = await failureOf(budget.enter('live', AbortSignal.abort(new Error('gave up'))));
    expect(error).not.toBeInstanceOf(OverBudget);
    await enter('next');
    expect(admitted).toEqual(['next']);
  });

  it('gets the token that a call gives back which was not made', async () => {
    const { admitted, enter, slots } = world({ callsPerSecond: 1 });
    await enter('a');
    void enter('b');
    slots[0]?.giveBack();
    slots[0]?.[Symbol.dispose]();
    await settled();
    expect(admitted).toEqual(['a', 'b']);
  });

  it('is sent away when the key is closed, and no timer is left', async () => {
    const { clock, budget, enter, take } = world({ callsPerSecond: 2 });
    await take(2);
    const waiting = [failureOf(budget.enter('live', never)), failureOf(budget.enter('background', never))];
    budget[Symbol.dispose]();
    await settled();
    for (const each of waiting) {
      const error = await Promise.race([each, 'still waits']);
      expect(error).toMatchObject({ fault: { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' } });
    }
    expect((await failureOf(enter('late'))).fault).toMatchObject({ reason: 'KEY_SERVICE_UNAVAILABLE' });
    expect(clock.timers).toBe(0);
  });
});

const visit: fc.Arbitrary<Visit> = fc.record({
  gapMs: fc.oneof({ weight: 3, arbitrary: fc.nat({ max: 20 }) }, { weight: 1, arbitrary: fc.nat({ max: 700 }) }),
  way: fc.oneof(
    { weight: 5, arbitrary: fc.constant('live' as const) },
    { weight: 4, arbitrary: fc.constant('background' as const) },
    { weight: 1, arbitrary: fc.constant('canary' as const) },
  ),
  durationMs: fc.oneof(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 1_500 })),
  patienceMs: fc.option(fc.nat({ max: 1_500 }), { freq: 2 }),
  isMade: fc.boolean(),
});

describe('CallBudget under random use', () => {
  it('never lets more through than it may, in no second and at no time, and forgets nobody', async () => {
    const totals = { admitted: 0, overBudget: 0, gaveUp: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(visit, { minLength: 1, maxLength: 120 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 8 }),
        async (visits, callsPerSecond, concurrency) => {
          const run = new BudgetWorld({ callsPerSecond, concurrency, maxWaitMs: 300 });
          await run.play(visits);
          expect(run.broken).toEqual([]);
          expect(run.outcomes.admitted + run.outcomes.overBudget + run.outcomes.gaveUp).toBe(visits.length);
          expect(run.clock.timers).toBe(0);
          totals.admitted += run.outcomes.admitted;
          totals.overBudget += run.outcomes.overBudget;
          totals.gaveUp += run.outcomes.gaveUp;
        },
      ),
      { numRuns: 200 },
    );
    // All three ways out were taken, and often.
    expect(Math.min(totals.admitted, totals.overBudget, totals.gaveUp)).toBeGreaterThan(50);
  });
});
