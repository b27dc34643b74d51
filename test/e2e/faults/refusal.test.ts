/**
 * The customer's no while the cache answers every call: nobody but the canary can hear it, and it must within an interval.
 * test/long/refusal-distribution.test.ts is the same with numbers to judge by.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect } from '../../support/client.ts';
import { cloudFolder, startCloudDaemon, startClouds } from '../../support/clouds.ts';
import { type Witness, witness } from '../../support/withdrawal-witness.ts';
import {
  intervalMs,
  type WayOfWithdrawal,
  type Withdrawal,
  waysOfWithdrawal,
  withdrawalsOf,
} from '../../support/withdrawals.ts';

/** What the canary's confirmation and the way there and back may take beside the interval, in milliseconds. */
const besideMs = 2_000;

const stack = new AsyncDisposableStack();
/** What was seen of each way, and what was due. */
const seen = new Map<WayOfWithdrawal, { readonly due: Withdrawal; readonly saw: Witness }>();

beforeAll(async () => {
  const clouds = stack.use(await startClouds());
  const withdrawals = withdrawalsOf(clouds, '0');
  const files = Object.fromEntries(withdrawals.map(({ tenant, file }) => [tenant, file]));
  const folder = stack.use(await cloudFolder(clouds, files));
  const daemon = stack.use(await startCloudDaemon(clouds, folder));
  const client = stack.use(connect(daemon.socket));
  const play = async (due: Withdrawal) => {
    const phaseMs = intervalMs * (0.1 + 0.9 * Math.random());
    seen.set(due.way, { due, saw: await witness(due, { client, phaseMs, everyMs: 20, refusedMs: 1_500 }) });
  };
  // All at the same time: most of it is waiting.
  await Promise.all(withdrawals.map(play));
});
afterAll(() => stack.disposeAsync());

test.each(waysOfWithdrawal)(
  'the last plaintext leaves within an interval of a no by %s, none after the first failure, and a yes ends it',
  (way) => {
    const { due, saw } = seen.get(way) ?? expect.fail('it was not seen');
    expect(saw.callsBefore).toBeGreaterThan(10);
    expect(saw.lastPlaintextMs).toBeLessThanOrEqual(intervalMs + besideMs);
    expect(saw.failures).toBeGreaterThan(10);
    expect(saw.plaintextsAfter).toBe(0);
    expect([...saw.reasons]).toEqual([due.reason]);
    expect(saw.servedAgainMs).toBeLessThanOrEqual(intervalMs);
  },
);
