/**
 * How long a data key outlives the customer's no, as a distribution: fifty tenants for each way of saying it, whose keys are
 * cached for a day and in use all the time, and whose customers say no at a moment of their own.
 */
import { expect, test } from 'vitest';
import { connect } from '../support/client.ts';
import { cloudFolder, startCloudDaemon, startClouds } from '../support/clouds.ts';
import { type Witness, witness } from '../support/withdrawal-witness.ts';
import { intervalMs, waysOfWithdrawal, withdrawalsOf } from '../support/withdrawals.ts';

/** So many tenants of each way at a time, so often. */
const [copies, rounds] = [10, 5];
const callsPerSecond = 1_000;
/** For the canary's confirmation and one round trip, in milliseconds. */
const besideMs = 1_000;
const boundMs = intervalMs + besideMs;

async function round(number: number): Promise<Witness[]> {
  await using stack = new AsyncDisposableStack();
  const clouds = stack.use(await startClouds());
  const withdrawals = Array.from({ length: copies }, (_, copy) => withdrawalsOf(clouds, `${number}-${copy}`)).flat();
  const files = Object.fromEntries(withdrawals.map(({ tenant, file }) => [tenant, file]));
  const folder = stack.use(await cloudFolder(clouds, files));
  const daemon = stack.use(await startCloudDaemon(clouds, folder));
  const client = stack.use(connect(daemon.socket));
  const everyMs = (1000 * withdrawals.length) / callsPerSecond;
  return await Promise.all(
    withdrawals.map((withdrawal) =>
      witness(withdrawal, { client, everyMs, phaseMs: intervalMs * (1 + Math.random()), refusedMs: 3_000 }),
    ),
  );
}

function rowOf(name: string, seen: readonly Witness[]): string {
  const times = seen.map(({ lastPlaintextMs }) => lastPlaintextMs).toSorted((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(share * times.length))] ?? Number.NaN;
  const again = Math.max(...seen.map(({ servedAgainMs }) => servedAgainMs));
  const figures = [...[at(0), at(0.5), at(0.95), at(1), boundMs, again].map((ms) => (ms / 1000).toFixed(2))];
  const after = seen.reduce((sum, { plaintextsAfter }) => sum + plaintextsAfter, 0);
  return [name, String(seen.length), ...figures, String(after)].map((cell) => cell.padStart(12)).join('');
}

test('no data key outlives a no by more than an interval, whoever says it and however', async () => {
  const seen: Witness[] = [];
  for (let number = 0; number < rounds; number++) {
    seen.push(...(await round(number)));
    process.stdout.write(`refusals: round ${number + 1} of ${rounds}, ${seen.length} refusals seen\n`);
  }
  const head = ['way', 'runs', 'min s', 'median', 'p95', 'max', 'bound', 'yes max', 'after'];
  const rows = waysOfWithdrawal.map((way) =>
    rowOf(
      way,
      seen.filter((each) => each.way === way),
    ),
  );
  const calls = seen.reduce((sum, { callsBefore, failures }) => sum + callsBefore + failures, 0);
  process.stdout.write(
    `${[head.map((cell) => cell.padStart(12)).join(''), ...rows, rowOf('all', seen)].join('\n')}\n` +
      `${calls} calls; times from the no to the last plaintext; after: plaintexts after the first failure\n`,
  );
  expect(seen).toHaveLength(waysOfWithdrawal.length * copies * rounds);
  expect(seen.filter(({ lastPlaintextMs }) => lastPlaintextMs > boundMs)).toEqual([]);
  expect(seen.filter(({ plaintextsAfter }) => plaintextsAfter > 0)).toEqual([]);
});
