import { describe, expect, it } from 'vitest';
import { KmsError, type KmsFault } from '../../../src/kms/fault.ts';
import { callWithRetry } from '../../../src/kms/retry.ts';
import { ManualClock, settled } from './manual-clock.ts';

const outage: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' };
const throttled: KmsFault = { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' };

function failure(fault: KmsFault): KmsError {
  return new KmsError(fault, { provider: 'aws_kms', operation: 'Decrypt' });
}

/** A call whose attempts end as `outcomes` say, one after the other; the last one repeats. */
function scripted(outcomes: readonly (KmsFault | 'hang' | 'ok')[], random = 0.5, timeoutMs = 2_000) {
  const clock = new ManualClock();
  const controller = new AbortController();
  const startedAt: number[] = [];
  const attempt = async (signal: AbortSignal) => {
    const outcome = outcomes[Math.min(startedAt.length, outcomes.length - 1)];
    startedAt.push(clock.monotonic());
    if (outcome === 'ok') return 'answer';
    if (outcome === 'hang') {
      await new Promise((done) => signal.addEventListener('abort', done, { once: true }));
      throw failure(outage);
    }
    throw failure(outcome ?? outage);
  };
  const options = { clock, random: () => random, timeoutMs, signal: controller.signal };
  const end = callWithRetry(attempt, options).then(
    (answer) => ({ answer, at: clock.monotonic() }),
    (error: unknown) => ({ error, at: clock.monotonic() }),
  );
  return { clock, controller, startedAt, end };
}

describe('callWithRetry', () => {
  it('returns the first answer without any pause', async () => {
    const call = scripted(['ok']);
    expect(await call.end).toEqual({ answer: 'answer', at: 0 });
    expect(call.clock.timers).toBe(0);
  });

  it('repeats after an outage, with pauses under a ceiling that doubles', async () => {
    const call = scripted([outage, outage, outage, 'ok']);
    await call.clock.advance(10_000);
    expect(await call.end).toMatchObject({ answer: 'answer' });
    expect(call.startedAt).toEqual([0, 25, 75, 175]);
  });

  it('waits longer after throttling', async () => {
    const call = scripted([throttled, throttled, 'ok']);
    await call.clock.advance(10_000);
    expect(call.startedAt).toEqual([0, 250, 750]);
  });

  it('takes the smallest pause that chance gives, and the largest', async () => {
    const least = scripted([outage, 'ok'], 0);
    const most = scripted([outage, 'ok'], 0.999);
    await least.clock.advance(100);
    await most.clock.advance(100);
    expect(least.startedAt).toEqual([0, 0]);
    expect(most.startedAt[1]).toBeCloseTo(49.95, 5);
  });

  it('waits at least as long as Retry-After says', async () => {
    const call = scripted([{ ...throttled, retryAfterMs: 1_500 }, 'ok']);
    await call.clock.advance(10_000);
    expect(call.startedAt).toEqual([0, 1_750]);
  });

  it('fails at once, with the time to wait, where Retry-After is over the budget', async () => {
    const fault: KmsFault = { ...throttled, retryAfterMs: 4_000 };
    const call = scripted([fault, 'ok']);
    expect(await call.end).toMatchObject({ error: { fault }, at: 0 });
  });

  const final: readonly KmsFault[] = [
    { kind: 'refusal', reason: 'KEY_DISABLED', keyWide: true },
    { kind: 'ambiguous', reason: 'KEY_STATE_INVALID' },
    { kind: 'data' },
    { kind: 'credentials' },
    { kind: 'config', reason: 'KEY_UNSUITABLE' },
  ];
  it.each(final)('never repeats after a fault of kind $kind', async (fault) => {
    const call = scripted([fault, 'ok']);
    expect(await call.end).toMatchObject({ error: { fault }, at: 0 });
    expect(call.startedAt).toHaveLength(1);
  });

  it('never repeats after an error that is none of a key service', async () => {
    let attempts = 0;
    const attempt = async () => {
      attempts++;
      throw new TypeError('a mistake');
    };
    const options = { clock: new ManualClock(), random: () => 0, timeoutMs: 100, signal: new AbortController().signal };
    await expect(callWithRetry(attempt, options)).rejects.toThrow('a mistake');
    expect(attempts).toBe(1);
  });

  it('ends an attempt that hangs after its timeout, and the whole after twice that', async () => {
    const call = scripted(['hang']);
    await call.clock.advance(10_000);
    expect(await call.end).toMatchObject({ error: { fault: outage }, at: 4_000 });
    expect(call.startedAt).toEqual([0, 2_025]);
  });

  it('stops repeating an outage when the budget of twice the timeout is over', async () => {
    const call = scripted([outage], 0.999, 100);
    await call.clock.advance(10_000);
    const { at } = await call.end;
    expect(at).toBeLessThanOrEqual(200);
    expect(call.startedAt.length).toBeGreaterThan(1);
  });

  it('ends an attempt under way when its caller gives up', async () => {
    const call = scripted(['hang']);
    await call.clock.advance(10);
    call.controller.abort(new Error('gone'));
    expect(await call.end).toMatchObject({ error: { fault: outage }, at: 10 });
    expect(call.startedAt).toHaveLength(1);
    expect(call.clock.timers).toBe(0);
  });

  it('ends a pause when its caller gives up, with the fault that led to it', async () => {
    const call = scripted([throttled, 'ok']);
    await settled();
    call.controller.abort(new Error('gone'));
    expect(await call.end).toMatchObject({ error: { fault: throttled }, at: 0 });
    expect(call.clock.timers).toBe(0);
  });
});
