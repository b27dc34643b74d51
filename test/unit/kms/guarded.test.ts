/** What stands in front of one key's service: who waits, who is cut short, and what counts as silence. */
import { describe, expect, it } from 'vitest';
import { pause } from '../../../src/base/clock.ts';
import { OverBudget } from '../../../src/kms/call-budget.ts';
import { CircuitOpen } from '../../../src/kms/circuit-breaker.ts';
import { decorated } from '../../../src/kms/decorated.ts';
import { gaveUp, isSilence, type KmsFault } from '../../../src/kms/fault.ts';
import { guarded } from '../../../src/kms/guarded.ts';
import type { KeyService } from '../../../src/kms/key-service.ts';
import { context, failureOf, never } from '../../contract/calls.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';
import { ManualClock, settled } from './manual-clock.ts';

const silent: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
const disabled: KmsFault = { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true };
const timeoutMs = 2_000;

function world({ callsPerSecond = 50, concurrency = 16, takesMs = 0 } = {}) {
  const clock = new ManualClock();
  const key = new FakeKeyService('cmk');
  const changes: string[] = [];
  /** When each call reached the service. */
  const sentAt: number[] = [];
  const slow: KeyService = decorated(key, async (operation, signal, call) => {
    sentAt.push(clock.monotonic());
    if (takesMs > 0) {
      await pause(clock, takesMs, signal).catch((why: unknown) => {
        throw gaveUp({ provider: 'local', operation }, why);
      });
    }
    return await call(signal);
  });
  const guard = guarded(
    { calls: slow, canary: slow },
    {
      ...{ clock, random: () => 0, timeoutMs, callsPerSecond, concurrency },
      breaker: { onChange: (state) => changes.push(state) },
    },
  );
  const ask = async (way: 'live' | 'background' | 'canary' = 'live', signal = never) => {
    (await guard[way].generate({ length: 32, context, signal })).plaintext[Symbol.dispose]();
    return clock.monotonic();
  };
  /** Ends with the call, and moves time on until then. */
  const during = async <T>(call: Promise<T>): Promise<{ result: T; tookMs: number }> => {
    const start = clock.monotonic();
    let end: number | undefined;
    const over = () => {
      end = clock.monotonic();
    };
    call.then(over, over);
    for (let i = 0; i < 2_000 && end === undefined; i++) await clock.advance(50);
    return { result: await call, tookMs: (end ?? Number.NaN) - start };
  };
  /** Two calls in silence open the breaker: four attempts of the first, one of the second. */
  const goSilent = async () => {
    key.fault = silent;
    await during(failureOf(ask()));
    await during(failureOf(ask()));
    expect(changes).toEqual(['open']);
  };
  return { clock, key, guard, changes, sentAt, ask, during, goSilent };
}

describe('while the breaker is open', () => {
  it('nobody stands in line, and no token is spent', async () => {
    const { key, ask, goSilent, sentAt, changes } = world({ callsPerSecond: 10 });
    await goSilent();
    const before = sentAt.length;
    for (let i = 0; i < 100; i++) {
      expect(await failureOf(ask(i % 2 === 0 ? 'live' : 'background'))).toBeInstanceOf(CircuitOpen);
    }
    expect(sentAt).toHaveLength(before);
    key.fault = undefined;
    await ask('canary');
    expect(changes).toEqual(['open', 'closed']);
    // Five went into the silence and one to the canary: four of ten are left for this very second.
    for (let i = 0; i < 4; i++) await ask();
    expect(sentAt).toHaveLength(10);
  });

  it('the canary is asked all the same, and its answer closes it, be it a no', async () => {
    for (const answer of [undefined, disabled]) {
      const { key, ask, goSilent, changes } = world();
      await goSilent();
      await failureOf(ask('canary'));
      expect(changes).toEqual(['open']);
      key.fault = answer;
      await ask('canary').catch(() => undefined);
      expect(changes).toEqual(['open', 'closed']);
    }
  });

  it('a call that was in line when it opened is not made, and gives its token back', async () => {
    const { clock, key, ask, sentAt, changes } = world({ callsPerSecond: 5, concurrency: 5 });
    const letGo = key.hold();
    const underWay = Array.from({ length: 5 }, () => failureOf(ask()));
    await clock.advance(500);
    const inLine = Array.from({ length: 3 }, () => failureOf(ask()));
    key.fault = silent;
    letGo();
    await clock.advance(10);
    await Promise.all(underWay);
    expect(changes).toEqual(['open']);
    await clock.advance(490);
    for (const each of inLine) expect(await each).toBeInstanceOf(CircuitOpen);
    expect(sentAt).toHaveLength(5);
    key.fault = undefined;
    await ask('canary');
    // The canary took one of five.
    for (let i = 0; i < 4; i++) expect(await ask()).toBe(1_000);
  });
});

describe('the canary', () => {
  it('opens the breaker by its silence, as every call does', async () => {
    const { key, ask, changes } = world();
    key.fault = silent;
    for (let i = 0; i < 5; i++) await failureOf(ask('canary'));
    expect(changes).toEqual(['open']);
  });

  it('is asked once, and at once where every token and place is taken', async () => {
    const { clock, key, ask, sentAt } = world({ callsPerSecond: 2, concurrency: 2, takesMs: 1_000 });
    const busy = [ask(), ask(), ask()];
    await clock.advance(10);
    const canary = failureOf(ask('canary'));
    await clock.advance(995);
    key.fault = silent;
    await clock.advance(10);
    expect((await canary).fault).toEqual(silent);
    expect(sentAt).toEqual([0, 0, 10, 1_000]);
    key.fault = undefined;
    await clock.advance(1_000);
    expect(await Promise.all(busy)).toEqual([1_000, 1_000, 2_000]);
  });

  it('waits no longer for its answer than any call', async () => {
    const { key, ask, during } = world();
    key.hold();
    expect((await during(failureOf(ask('canary')))).tookMs).toBe(timeoutMs);
  });
});

describe('a call over the limit', () => {
  it('fails as such and is no silence: nobody turns to another key, and the breaker stays closed', async () => {
    const { clock, ask, changes, sentAt } = world({ callsPerSecond: 2 });
    for (let i = 0; i < 2; i++) await ask();
    const first = ask();
    const others = Array.from({ length: 20 }, () => ask().catch((error: unknown) => error));
    // There is room for five in line.
    for (const error of await Promise.all(others.slice(4))) {
      expect(error).toBeInstanceOf(OverBudget);
      expect(isSilence(error)).toBe(false);
    }
    expect([changes, sentAt]).toEqual([[], [0, 0]]);
    await clock.advance(1_000);
    expect([await first, changes]).toEqual([1_000, []]);
  });

  it('is not tried again: it has waited for its whole time', async () => {
    const { key, ask, during } = world({ concurrency: 1 });
    const letGo = key.hold();
    const holds = new AbortController();
    // The first has the place for its time, then the second for its own.
    const busy = [1, 2].map(() => failureOf(ask('live', holds.signal)));
    const { result, tookMs } = await during(failureOf(ask()));
    expect(result.fault).toMatchObject({ reason: 'KEY_CALLS_OVER_BUDGET' });
    expect(tookMs).toBe(timeoutMs * 1.25);
    letGo();
    await Promise.all(busy).catch(() => undefined);
  });

  it('tells what an attempt ended with that was made before', async () => {
    const { clock, key, ask, during } = world({ concurrency: 1, callsPerSecond: 1 });
    key.fault = { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED', retryAfterMs: 100 };
    const first = failureOf(ask());
    await clock.advance(50);
    for (let i = 0; i < 2; i++) ask().catch(() => undefined);
    const { result } = await during(first);
    expect(result.fault).toMatchObject({ reason: 'KEY_SERVICE_THROTTLED' });
  });
});

describe('the time that a call takes', () => {
  it('is at most one time limit for its turn and two for its attempts, where somebody waits', async () => {
    const { clock, key, ask, during } = world({ concurrency: 1 });
    key.hold();
    // The place is taken again and again by others: turns are waited for, attempts hang, all is tried once more.
    const others = new AbortController();
    const crowd = Array.from({ length: 3 }, () => failureOf(ask('live', others.signal)));
    const longest: number[] = [];
    for (let i = 0; i < 4; i++) {
      await clock.advance(300);
      longest.push((await during(failureOf(ask()))).tookMs);
    }
    others.abort(new Error('done'));
    await Promise.all(crowd);
    expect(Math.max(...longest)).toBeLessThanOrEqual(3 * timeoutMs + 50);
  });

  it('does not count the line for those who have time: once it is their turn they get all of it', async () => {
    const { clock, ask, sentAt, changes } = world({ callsPerSecond: 5, takesMs: 100 });
    // Four a second: the last of them waits for six seconds, longer than a call and its repetitions may take.
    const calls = Array.from({ length: 28 }, () => ask('background').catch((error: unknown) => error));
    await clock.advance(10_000);
    const outcomes = await Promise.all(calls);
    expect(outcomes.filter((outcome) => typeof outcome !== 'number')).toEqual([]);
    expect([changes, sentAt.length]).toEqual([[], 28]);
  });

  it('is over before the turn of a repetition comes: then no call is made that would be taken for silence', async () => {
    const { clock, key, ask, sentAt, changes } = world({ callsPerSecond: 10, takesMs: 100 });
    key.fault = { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' };
    const calls = Array.from({ length: 60 }, () => ask('background').catch((error: unknown) => error));
    await clock.advance(110);
    // Eight were throttled, and stand in line again behind 52 others, for longer than their time.
    key.fault = undefined;
    await clock.advance(10_000);
    const failed = (await Promise.all(calls)).filter((outcome) => typeof outcome !== 'number');
    for (const error of failed) expect(error).toMatchObject({ fault: { reason: 'KEY_SERVICE_THROTTLED' } });
    expect([changes, failed.length, sentAt.length]).toEqual([[], 8, 60]);
  });
});

it('what is closed closes its service, and sends away who waits', async () => {
  const { clock, key, guard, ask } = world({ concurrency: 1 });
  key.hold();
  const underWay = new AbortController();
  const busy = failureOf(ask('live', underWay.signal));
  const waiting = failureOf(ask());
  await settled();
  await guard[Symbol.asyncDispose]();
  await clock.advance(10);
  expect(await Promise.race([waiting, settled()])).toMatchObject({ fault: silent });
  underWay.abort(new Error('the daemon ends'));
  await busy;
  expect([key.closed, clock.timers]).toEqual([true, 0]);
});
