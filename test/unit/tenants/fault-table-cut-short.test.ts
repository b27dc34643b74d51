/** An attempt that our own limit of time cuts short says nothing, and hides nothing of what the service said before. */
import { expect, it } from 'vitest';
import { pause } from '../../../src/base/clock.ts';
import { gaveUp, KmsError } from '../../../src/kms/fault.ts';
import { callWithRetry } from '../../../src/kms/retry.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { settled } from '../../support/watched-engine.ts';

it('a call that was throttled to the end says so, also where its last attempt begins a moment before its time is over', async () => {
  const clock = new FakeClock();
  const call = { provider: 'aws_kms', operation: 'Decrypt' };
  let attempts = 0;
  const attempt = async (signal: AbortSignal) => {
    attempts++;
    await pause(clock, 20, signal).catch((reason) => {
      throw gaveUp(call, reason);
    });
    throw new KmsError({ kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' }, call);
  };
  // Pauses of 500, 1,000 and 425 ms and attempts of 20 ms: the last one has 15 ms of the 2,000.
  const parts = [1, 1, 0.2125];
  const random = () => parts.shift() ?? 0;
  const { signal } = new AbortController();
  const failure = callWithRetry(attempt, { clock, random, timeoutMs: 1_000, signal }).catch((error: unknown) => error);
  for (let ms = 0; ms < 2_500; ms += 5) {
    clock.advance(5);
    await settled();
  }
  expect(attempts).toBeGreaterThanOrEqual(3);
  expect(await failure).toMatchObject({ fault: { reason: 'KEY_SERVICE_THROTTLED' } });
});
